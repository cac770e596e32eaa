import Type from 'typebox';
import { limits } from '../../core/limits.ts';
import type { ListedToken } from '../../operator/operations.ts';
import { roles } from '../../store/model.ts';
import { closed, listOf, maybe, outcome, resource, shortText, text, time, uuid, wholeList, words } from './parts.ts';

export const role = words(
  roles,
  'viewer reads; operator also acts on devices, credentials and lists; admin also writes groups, hubs, tokens, webhooks, authorities',
);

const fields = {
  id: uuid('its id'),
  name: text('what it is called in the audit log'),
  role,
  ownerId: maybe(uuid('it sees and changes what is of this owner only')),
  createdAt: time('when it was made'),
  expiresAt: maybe(time('when it ends')),
};

const token = resource<ListedToken>('Token', 'Who may use the API. The token itself is with its holder only.', fields);

export const tokenList = wholeList('TokenList', listOf<ListedToken>(token, 'oldest first'));

export const newToken = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: limits.api.name, description: 'one line, its own' }),
    role,
    owner: maybe(shortText('name or UUID of the owner it is bound to')),
    expiresAt: maybe(time('when it ends')),
  },
  { ...closed, $id: 'NewToken' },
);

export const tokenOutcome = outcome<ListedToken>('TokenOutcome', token);

type Told = ListedToken & { readonly token: string };
export const newTokenOutcome = outcome<Told>(
  'NewTokenOutcome',
  resource<Told>('ToldToken', 'A token, told this once.', {
    ...fields,
    token: text('what goes behind `Authorization: Bearer`; empty after a dry run'),
  }),
);
