export { openSession as openWorkerSession } from './session.js';
