import type { StoredEvent } from '../store/model.ts';

/** Whether an event is a line of the audit log, which not everybody may read. */
export const isAuditLine = ({ data }: StoredEvent): boolean => typeof data.seq === 'number' && data.actor !== undefined;

/** An event for somebody who may not read the audit log: that something was done to what, and not by whom and how. */
export function withoutAudit(event: StoredEvent): StoredEvent {
  if (!isAuditLine(event)) return event;
  const { seq = 0, target = '' } = event.data;
  return { ...event, data: { seq, target } };
}
