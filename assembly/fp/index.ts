/** Floating point for the F and D extensions: what other rooms may use. */
export * from "./state";
export * from "./f32";
export * from "./f64";
export * from "./fast";
