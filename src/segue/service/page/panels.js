/** The tasks that have a panel, in their order: a later task adds its line here and a module with `mount`. */

export const PANELS = [{ task: "skip", module: "./skip.js" }];
