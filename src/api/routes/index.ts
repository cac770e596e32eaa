import type { Route } from '../route.ts';
import { accessRoutes } from './access.ts';
import { attemptRoutes } from './attempts.ts';
import { auditRoutes } from './audit.ts';
import { caRoutes } from './ca.ts';
import { credentialRoutes } from './credentials.ts';
import { deviceRoutes } from './devices.ts';
import { eventRoutes } from './events.ts';
import { explainRoutes } from './explain.ts';
import { groupRoutes } from './groups.ts';
import { hubRoutes } from './hubs.ts';
import { overviewRoutes } from './overview.ts';
import { policyRoutes } from './policy.ts';
import { serviceRoutes } from './service.ts';
import { sessionRoutes } from './session.ts';
import { statisticsRoutes } from './statistics.ts';
import { tokenRoutes } from './tokens.ts';
import { webhookRoutes } from './webhooks.ts';

/** Everything below /api/v1, in the order in which the description tells it. */
export const routes: readonly Route[] = [
  ...sessionRoutes,
  ...overviewRoutes,
  ...statisticsRoutes,
  ...groupRoutes,
  ...accessRoutes,
  ...hubRoutes,
  ...deviceRoutes,
  ...credentialRoutes,
  ...attemptRoutes,
  ...explainRoutes,
  ...caRoutes,
  ...policyRoutes,
  ...auditRoutes,
  ...eventRoutes,
  ...webhookRoutes,
  ...tokenRoutes,
  ...serviceRoutes,
];
