/** The tasks that have a panel, in their order: a later task adds its line here and a module with `mount`. `able`: of which models,
 * if not all. */

export const PANELS = [
  { task: "skip", module: "./skip.js", question: "What will be skipped?",
    lead: "Queue tracks, play or skip them, and watch what the model expects of those to come." },
  { task: "next-track", module: "./next_track.js", question: "What plays next?",
    lead: "Queue tracks, or say what the list is called, and see how it goes on." },
  { task: "length", module: "./length.js", question: "How long will they stay?",
    lead: "Queue tracks, play or skip them, and watch how much longer the model expects the session to last." },
  { task: "next-track", module: "./recording.js", able: ({ hears }) => hears, question: "What follows a file?",
    lead: "Drop a file of sound and see what could play after it." },
];
