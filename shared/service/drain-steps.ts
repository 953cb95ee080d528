/** The order in which a service lets go of its work when it is told to stop. */
export class DrainSteps {
  readonly #log: { error(details: object, message: string): void };
  readonly #steps: { name: string; step: () => Promise<void> }[] = [];
  #active = false;
  #running: Promise<void> | undefined;

  constructor(log: { error(details: object, message: string): void }) {
    this.#log = log;
  }

  /** True from the first moment of the shutdown. The service is not ready any more. */
  get active(): boolean {
    return this.#active;
  }

  /** The service closes and gets no more work, even without a drain, as after an error that nobody handled. */
  markActive(): void {
    this.#active = true;
  }

  /** Registers work to hand over before the listeners close. Steps run in the order of registration. */
  add(name: string, step: () => Promise<void>): void {
    this.#steps.push({ name, step });
  }

  /** Runs all steps, once. One that fails does not stop the next. */
  run(): Promise<void> {
    this.#active = true;
    this.#running ??= this.#runAll();
    return this.#running;
  }

  async #runAll(): Promise<void> {
    for (const { name, step } of this.#steps) {
      try {
        await step();
      } catch (error) {
        this.#log.error({ err: error, step: name }, 'a step of the drain failed');
      }
    }
  }
}
