import type { ComponentType } from 'preact';
import type { Role } from '../store/model.ts';
import { lazyPage } from './parts/lazy-page.tsx';

export interface PageRoute {
  /** As preact-iso has it: `/devices/:device`. */
  readonly path: string;
  readonly page: ComponentType;
  /** The least role that has something to see there; `unbound`: not for who is bound to an owner. */
  readonly role: Role;
  readonly unbound?: boolean;
  /** In the navigation, and the second key of its shortcut after g. */
  readonly nav?: { readonly label: string; readonly key: string };
}

/** Every page, in the order of the navigation. */
export const routes: readonly PageRoute[] = [
  {
    path: '/',
    page: lazyPage(() => import('./pages/overview.tsx').then((it) => it.OverviewPage)),
    role: 'viewer',
    nav: { label: 'Overview', key: 'o' },
  },
  {
    path: '/live',
    page: lazyPage(() => import('./pages/live.tsx').then((it) => it.LivePage)),
    role: 'viewer',
    nav: { label: 'Live', key: 'l' },
  },
  {
    path: '/devices',
    page: lazyPage(() => import('./pages/devices.tsx').then((it) => it.DevicesPage)),
    role: 'viewer',
    nav: { label: 'Devices', key: 'd' },
  },
  {
    path: '/devices/:device',
    page: lazyPage(() => import('./pages/device.tsx').then((it) => it.DevicePage)),
    role: 'viewer',
  },
  {
    path: '/approvals',
    page: lazyPage(() => import('./pages/approvals.tsx').then((it) => it.ApprovalsPage)),
    role: 'viewer',
    nav: { label: 'Approvals', key: 'a' },
  },
  {
    path: '/attempts',
    page: lazyPage(() => import('./pages/attempts.tsx').then((it) => it.AttemptsPage)),
    role: 'viewer',
    nav: { label: 'Attempts', key: 't' },
  },
  {
    path: '/attempts/:attempt',
    page: lazyPage(() => import('./pages/attempt.tsx').then((it) => it.AttemptPage)),
    role: 'viewer',
  },
  {
    path: '/groups',
    page: lazyPage(() => import('./pages/groups.tsx').then((it) => it.GroupsPage)),
    role: 'viewer',
    nav: { label: 'Groups', key: 'g' },
  },
  {
    path: '/groups/:group',
    page: lazyPage(() => import('./pages/group-editor.tsx').then((it) => it.GroupEditorPage)),
    role: 'viewer',
  },
  {
    path: '/new/group',
    page: lazyPage(() => import('./pages/group-editor.tsx').then((it) => it.GroupEditorPage)),
    role: 'admin',
  },
  {
    path: '/hubs',
    page: lazyPage(() => import('./pages/hubs.tsx').then((it) => it.HubsPage)),
    role: 'viewer',
    nav: { label: 'Hubs', key: 'h' },
  },
  {
    path: '/hubs/:hub',
    page: lazyPage(() => import('./pages/hub-editor.tsx').then((it) => it.HubEditorPage)),
    role: 'viewer',
  },
  {
    path: '/new/hub',
    page: lazyPage(() => import('./pages/hub-editor.tsx').then((it) => it.HubEditorPage)),
    role: 'admin',
  },
  {
    path: '/authorities',
    page: lazyPage(() => import('./pages/authorities.tsx').then((it) => it.AuthoritiesPage)),
    role: 'viewer',
    nav: { label: 'Authorities', key: 'c' },
  },
  {
    path: '/numbers',
    page: lazyPage(() => import('./pages/numbers.tsx').then((it) => it.NumbersPage)),
    role: 'viewer',
    nav: { label: 'Numbers', key: 'n' },
  },
  {
    path: '/audit',
    page: lazyPage(() => import('./pages/audit.tsx').then((it) => it.AuditPage)),
    role: 'admin',
    unbound: true,
    nav: { label: 'Audit', key: 'u' },
  },
  {
    path: '/webhooks',
    page: lazyPage(() => import('./pages/webhooks.tsx').then((it) => it.WebhooksPage)),
    role: 'admin',
    nav: { label: 'Webhooks', key: 'w' },
  },
  {
    path: '/tokens',
    page: lazyPage(() => import('./pages/tokens.tsx').then((it) => it.TokensPage)),
    role: 'admin',
    nav: { label: 'Tokens', key: 'k' },
  },
];
