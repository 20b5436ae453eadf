import { dataTypeOfCode } from '../../ir/data_type.js';
import { DiagnosticError } from '../../ir/diagnostic.js';

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** One line, without the runtime's source locations and C++ signatures. */
export const cleanMessage = (message: string): string =>
  message
    .replace(/\s+/g, ' ')
    .replace(/\S+\.(?:cc|cpp|h):\d+ (?:[^()]*::[^()]*\([^()]*\)(?: const)? (?:\[with [^\]]*\] )?|[\w:]+ )?/g, '')
    .replace(/\[ONNXRuntimeError\] : \d+ : \w+ : /g, '')
    .trim();

/** What went wrong while a model was loaded; `file` is where it lies. */
export function loadError(cause: unknown, file: string | undefined, cuda: boolean): DiagnosticError {
  const message = cleanMessage(messageOf(cause));
  const where = file === undefined ? {} : { where: file };
  const code = /^Unsupported data type: (\d+)$/.exec(message)?.[1];
  if (code !== undefined) {
    const dtype = dataTypeOfCode(Number(code)) ?? `type ${code}`;
    const fault = `an input or output is ${dtype}, which cannot pass the JavaScript binding of ONNX Runtime`;
    return new DiagnosticError({ code: 'ort/unsupported-type', message: fault, ...where }, { cause });
  }
  if (cuda && /cuda|shared library/i.test(message)) {
    const help = 'ONNX Runtime needs a driver and the CUDA 12 and cuDNN 9 libraries where the loader finds them';
    return new DiagnosticError({ code: 'ort/cuda-missing', message, help }, { cause });
  }
  const unreadable = /protobuf parsing failed|does not have a graph/i.test(message);
  const help = 'It is cut short or no ONNX model; a failed download or a Git LFS pointer looks like that';
  return new DiagnosticError({ code: 'ort/load-failed', message, ...where, ...(unreadable && { help }) }, { cause });
}

/** What went wrong while a model ran: at its node, where the runtime names one. */
export function runError(cause: unknown): DiagnosticError {
  const text = messageOf(cause).replace(/\s+/g, ' ').trim();
  const sequence = /^input with name: '(.*)' expected to be of type: \d+ but received a tensor$/.exec(text);
  if (sequence !== null) return notTensor('input', sequence[1]!, cause);
  const node = /^Non-zero status code returned while running (\S+) node\. Name:'(.*?)' Status Message: (.*)$/.exec(
    text,
  );
  if (node === null) return new DiagnosticError({ code: 'ort/run-failed', message: cleanMessage(text) }, { cause });
  const [, opType, name, status] = node;
  const message = cleanMessage(status!);
  return new DiagnosticError({ code: 'ort/run-failed', message, where: `node "${name}" (${opType})` }, { cause });
}

export const notTensor = (kind: 'input' | 'output', name: string, cause?: unknown): DiagnosticError =>
  new DiagnosticError(
    {
      code: 'ort/unsupported-type',
      message: 'sequences, maps and optionals are unsupported by the JavaScript binding of ONNX Runtime',
      where: `${kind} "${name}"`,
    },
    { cause },
  );
