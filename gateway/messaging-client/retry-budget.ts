/** Tokens a fresh or quiet client has: enough for the calls in flight on one connection that dies. */
const CAPACITY = 100;
const PER_CALL = 0.1;

/** Keeps retries to a tenth of the calls in the long run, so that a struggling service is not buried under them. */
export class RetryBudget {
  #tokens = CAPACITY;

  earn(): void {
    this.#tokens = Math.min(CAPACITY, this.#tokens + PER_CALL);
  }

  /** False when there is nothing left to spend. */
  spend(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
