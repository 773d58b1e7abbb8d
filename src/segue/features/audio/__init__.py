"""What can be heard in a recording: numbers computed from its samples alone, one idea a file."""
