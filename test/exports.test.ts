import { expect, it } from 'vitest';
import * as api from '../src/index.js';

it('exports exactly the public API', () => {
  expect(Object.keys(api).sort()).toEqual([
    'CheckFailedError',
    'DiagnosticError',
    'Editor',
    'InvariantError',
    'any',
    'compareModels',
    'constant',
    'decodeModel',
    'defineConfig',
    'definePass',
    'defineRewrite',
    'encodeModel',
    'findTarget',
    'formatDiagnostic',
    'formatModel',
    'loadModel',
    'op',
    'optimize',
    'optional',
    'rewritePass',
    'runPipeline',
    'saveModel',
    'simplifyPipeline',
    'summarizeModel',
    'targets',
    'verifyModel',
  ]);
});
