import { useLayoutEffect, useState } from 'preact/hooks';
import type { Api } from '../api/client.ts';
import { TextField } from '../parts/fields.tsx';
import { ProblemNote } from '../parts/problem-note.tsx';

/** Takes a token and has a cookie made of it. */
export function SignInPage({ api, onSignedIn }: { readonly api: Api; readonly onSignedIn: () => Promise<void> }) {
  const [token, setToken] = useState('');
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  useLayoutEffect(() => {
    document.title = 'Sign in · firstboot';
  }, []);
  const signIn = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await api.ask('POST', '/session', { body: { token: token.trim() } });
      await onSignedIn();
    } catch (failed) {
      setError(failed);
      setBusy(false);
    }
  };
  return (
    <main class="alone">
      <form
        class="panel sign-in"
        onSubmit={(event) => {
          event.preventDefault();
          void signIn();
        }}
      >
        <h1>
          <span class="brand-mark" aria-hidden="true" />
          firstboot
        </h1>
        <TextField
          label="Token"
          type="password"
          autocomplete="current-password"
          value={token}
          required
          onInput={setToken}
          hint={
            <>
              The service printed one when it first started; <code>firstboot token create</code> makes others.
            </>
          }
        />
        {error === undefined ? null : <ProblemNote error={error} />}
        <button type="submit" class="primary" disabled={busy || token.trim() === ''}>
          Sign in
        </button>
      </form>
    </main>
  );
}
