/** What keeps an oracle from being asked: one sentence that says what and what to do. */
export class OracleError extends Error {
  override readonly name = "OracleError";
}
