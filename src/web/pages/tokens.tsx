import { useState } from 'preact/hooks';
import type { ListedToken } from '../../operator/operations.ts';
import type { Role } from '../../store/model.ts';
import { useApi, useConnection, useRefreshOn, useResource } from '../api/context.tsx';
import { Badge } from '../parts/badge.tsx';
import { ChangeDialog } from '../parts/change-dialog.tsx';
import { Choice, TextField } from '../parts/fields.tsx';
import { Page, Panel } from '../parts/page.tsx';
import { ProblemNote } from '../parts/problem-note.tsx';
import { SimpleTable } from '../parts/simple-table.tsx';
import { Time } from '../parts/time.tsx';
import { Loaded } from './parts/loaded.tsx';
import { OnceShown } from './parts/once-shown.tsx';
import { day, textOrNone } from './parts/words.ts';

/** Who may use the API with a token of this service. */
export function TokensPage() {
  const api = useApi();
  const tokens = useResource<{ readonly items: readonly ListedToken[] }>('/tokens');
  const [revoked, setRevoked] = useState<ListedToken>();
  useRefreshOn(['token'], tokens.refresh, 500);
  return (
    <Page
      title="Tokens"
      lead="What programs and people use the API with. A token is shown once; the service keeps its hash."
    >
      <NewToken onMade={tokens.refresh} />
      <Panel title="Tokens that there are">
        <Loaded resource={tokens}>
          {({ items }) => (
            <SimpleTable
              label="Tokens"
              heads={['Name', 'Role', 'Sees', 'Made', 'Ends', 'Revoke']}
              rows={items.map((token) => ({
                key: token.id,
                cells: [
                  token.name,
                  <Badge>{token.role}</Badge>,
                  token.ownerId ? `owner ${token.ownerId}` : 'everything',
                  <Time at={token.createdAt} />,
                  <End at={token.expiresAt} />,
                  <button type="button" aria-label={`Revoke ${token.name}`} onClick={() => setRevoked(token)}>
                    Revoke
                  </button>,
                ],
              }))}
              empty={<p>There is no token. Make one for each program and person, so that each can be revoked alone.</p>}
            />
          )}
        </Loaded>
      </Panel>
      {revoked && (
        <ChangeDialog
          title={`Revoke token ${revoked.name}`}
          verb="Revoke"
          danger
          change={({ dryRun }) => api.change<ListedToken>('DELETE', `/tokens/${revoked.id}`, { dryRun })}
          onDone={tokens.refresh}
          onClose={() => setRevoked(undefined)}
        />
      )}
    </Page>
  );
}

function End({ at }: { readonly at: number | undefined }) {
  if (at === undefined) return <>never</>;
  return (
    <>
      <Time at={at} /> {at <= Date.now() && <Badge tone="bad">ended</Badge>}
    </>
  );
}

const roles: readonly { readonly value: Role; readonly label: string }[] = [
  { value: 'viewer', label: 'viewer: reads' },
  { value: 'operator', label: 'operator: also acts on devices and lists' },
  { value: 'admin', label: 'admin: also changes groups, hubs, tokens, webhooks' },
];

const lives = [
  { value: '30', label: '30 days' },
  { value: '90', label: '90 days' },
  { value: '365', label: 'a year' },
  { value: '', label: 'until it is revoked' },
] as const;

function NewToken({ onMade }: { readonly onMade: () => void }) {
  const api = useApi();
  const { session } = useConnection();
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('viewer');
  const [owner, setOwner] = useState('');
  const [life, setLife] = useState<(typeof lives)[number]['value']>('90');
  const [made, setMade] = useState<{ readonly name: string; readonly token: string }>();
  const [error, setError] = useState<unknown>();
  const make = async (): Promise<void> => {
    setError(undefined);
    try {
      const wanted = textOrNone(owner);
      const { result } = await api.change<ListedToken & { readonly token: string }>('POST', '/tokens', {
        body: {
          name: name.trim(),
          role,
          ...(wanted !== undefined && { owner: wanted }),
          ...(life !== '' && { expiresAt: Date.now() + Number(life) * day }),
        },
      });
      setMade(result);
      setName('');
      onMade();
    } catch (failed) {
      setError(failed);
    }
  };
  return (
    <Panel title="New token">
      <form
        class="entry-new"
        onSubmit={(event) => {
          event.preventDefault();
          void make();
        }}
      >
        <TextField label="Name" required value={name} onInput={setName} placeholder="who or what uses it" />
        <Choice<Role> label="Role" value={role} choices={roles} onChange={setRole} />
        {!session.ownerId && (
          <TextField label="Owner (optional)" value={owner} onInput={setOwner} placeholder="only what is of it" />
        )}
        <Choice label="Ends after" value={life} choices={lives} onChange={setLife} />
        <button type="submit" class="primary">
          Make a token
        </button>
      </form>
      {error !== undefined && <ProblemNote error={error} />}
      {made && <OnceShown what={`Token ${made.name}`} secret={made.token} onSeen={() => setMade(undefined)} />}
    </Panel>
  );
}
