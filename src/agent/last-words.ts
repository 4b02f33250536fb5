// Why the agent ended, left where the kubelet looks for it: it becomes the container's termination message, and the manager
// shows it. Outside of a Pod there is no such file, and nothing is written. The end of the log would not do instead
// (terminationMessagePolicy FallbackToLogsOnError): it differs from try to try, and the status would be written as often.
// https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/

import { writeFileSync } from 'node:fs';

/** The kubelet mounts it into every container, also with a read-only root, and lets any user write to it. */
export const terminationLog = '/dev/termination-log';
const maxLength = 1024;

/** Everybody who may read the Pod may read them: no secret must be in them. */
export function leaveLastWords(words: string, file = terminationLog): void {
  try {
    // Never created: without the mount nobody would read it.
    writeFileSync(file, words.slice(0, maxLength), { flag: 'r+' });
  } catch {
    // The log has the same words.
  }
}
