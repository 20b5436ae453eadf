export type Severity = 'error' | 'warning' | 'info';

/**
 * Something the model, its data or the user got wrong, or should know.
 * `code` is stable and names the stage (`load/truncated`); `where` is a path from graph to node; `help` says what to do.
 */
export type Diagnostic = {
  readonly code: string;
  readonly severity: Severity;
  readonly message: string;
  readonly where?: string;
  readonly help?: string;
};

/** Thrown where a diagnostic ends the work: the fault lies outside the program. */
export class DiagnosticError extends Error {
  readonly diagnostic: Diagnostic;

  constructor(diagnostic: Omit<Diagnostic, 'severity'>, options?: ErrorOptions) {
    super(formatDiagnostic({ ...diagnostic, severity: 'error' }), options);
    this.name = 'DiagnosticError';
    this.diagnostic = { ...diagnostic, severity: 'error' };
  }
}

/** Thrown where a promise of our own code is broken: a bug in the program, whatever the input was. */
export class InvariantError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'InvariantError';
  }
}

/** One line: `code: message (where). help` */
export const formatDiagnostic = ({ code, message, where, help }: Diagnostic): string =>
  `${code}: ${message}${where === undefined ? '' : ` (${where})`}${help === undefined ? '' : `. ${help}`}`;
