/** Told how far a long job is; every part is optional. */
export type Progress = {
  /** A stage begins: `calibrating`, `checking`… */
  stage?(name: string): void;
  pass?(name: string): void;
  sample?(done: number, total: number | undefined): void;
};
