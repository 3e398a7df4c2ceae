/** What keeps a benchmark from running: one sentence that says what and what to do. */
export class BenchError extends Error {
  override readonly name = "BenchError";
}
