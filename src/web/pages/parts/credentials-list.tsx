import { useState } from 'preact/hooks';
import type { CredentialChange } from '../../../operator/credentials.ts';
import type { Credential, RevocationReason } from '../../../store/model.ts';
import { useApi } from '../../api/context.tsx';
import { Badge, type Tone } from '../../parts/badge.tsx';
import { ChangeDialog } from '../../parts/change-dialog.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { DialogButtons } from '../../parts/dialog-buttons.tsx';
import { Facts } from '../../parts/facts.tsx';
import { Choice } from '../../parts/fields.tsx';
import { ShortId } from '../../parts/short-id.tsx';
import { Time } from '../../parts/time.tsx';
import { utc } from '../../parts/words.ts';

/** Identity certificates of a device, the newest first, with how much of their life is left. */
export function CredentialsList({
  credentials,
  mayChange,
  onChanged,
}: {
  readonly credentials: readonly Credential[];
  readonly mayChange: boolean;
  readonly onChanged: () => void;
}) {
  const [chosen, setChosen] = useState<Credential>();
  if (credentials.length === 0) {
    return <p class="empty">It holds none yet: it gets its first one when it has been let in.</p>;
  }
  return (
    <>
      <ul class="credentials">
        {credentials.toReversed().map((credential) => (
          <CredentialCard
            key={credential.serial}
            credential={credential}
            onRevoke={mayChange ? () => setChosen(credential) : undefined}
          />
        ))}
      </ul>
      {chosen && <RevokeDialog credential={chosen} onDone={onChanged} onClose={() => setChosen(undefined)} />}
    </>
  );
}

const tones: Readonly<Record<string, Tone>> = { valid: 'good', revoked: 'bad', 'on hold': 'warn' };

function CredentialCard({
  credential: { serial, generation, deviceId, notBefore, notAfter, revoked },
  onRevoke,
}: {
  readonly credential: Credential;
  readonly onRevoke: (() => void) | undefined;
}) {
  const now = Date.now();
  const expired = notAfter <= now;
  const left = Math.max(0, Math.min(1, (notAfter - now) / Math.max(1, notAfter - notBefore)));
  const onHold = revoked?.reason === 'certificateHold';
  const state = revoked ? (onHold ? 'on hold' : 'revoked') : expired ? 'expired' : 'valid';
  return (
    <li class="credential">
      <p>
        <Badge tone={tones[state] ?? 'quiet'}>{state}</Badge> generation {generation}
      </p>
      <Facts
        facts={[
          ['serial', <ShortId id={serial} />],
          ['device id', <ShortId id={deviceId} />],
          [
            expired ? 'ended' : 'ends',
            <>
              <Time at={notAfter} /> <span class="muted">({utc(notAfter)})</span>
            </>,
          ],
          [
            state,
            revoked && (
              <>
                <Time at={revoked.at} />, {revoked.reason}
              </>
            ),
          ],
        ]}
      />
      <meter
        min={0}
        max={1}
        low={0.15}
        optimum={1}
        value={left}
        aria-label={`${Math.round(left * 100)} % of its life is left`}
      />
      {onRevoke && !expired && (!revoked || onHold) && (
        <button type="button" onClick={onRevoke}>
          {onHold ? 'Revoke or release' : 'Revoke'}
        </button>
      )}
    </li>
  );
}

type Verb = RevocationReason | 'release';

const reasons: readonly { readonly value: Verb; readonly label: string }[] = [
  { value: 'keyCompromise', label: 'its key is known to others (keyCompromise)' },
  { value: 'superseded', label: 'it has been replaced (superseded)' },
  { value: 'cessationOfOperation', label: 'the device is out of use (cessationOfOperation)' },
  { value: 'affiliationChanged', label: 'it has another owner (affiliationChanged)' },
  { value: 'privilegeWithdrawn', label: 'it may not any more (privilegeWithdrawn)' },
  { value: 'unspecified', label: 'other (unspecified)' },
];

function RevokeDialog({
  credential: { serial, revoked },
  onDone,
  onClose,
}: {
  readonly credential: Credential;
  readonly onDone: () => void;
  readonly onClose: () => void;
}) {
  const api = useApi();
  const [reason, setReason] = useState<Verb>(revoked ? 'release' : 'keyCompromise');
  const [asked, setAsked] = useState(false);
  const title = `Certificate ${serial.slice(0, 12)}`;
  if (asked) {
    const release = reason === 'release';
    return (
      <ChangeDialog
        title={`${title}: ${release ? 'take it off hold' : reason}`}
        verb={release ? 'Release' : 'Revoke'}
        danger={!release}
        change={({ dryRun }) =>
          api.change<CredentialChange>('POST', `/credentials/${release ? 'release' : 'revoke'}`, {
            body: release ? { serial } : { serial, reason },
            dryRun,
          })
        }
        onDone={onDone}
        onClose={onClose}
      />
    );
  }
  const hold = { value: 'certificateHold', label: 'hold it for now (certificateHold)' } as const;
  const release = { value: 'release', label: 'take it off hold' } as const;
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setAsked(true);
        }}
      >
        <Choice<Verb>
          label="Why"
          value={reason}
          choices={revoked ? [release, ...reasons] : [...reasons, hold]}
          onChange={setReason}
          hint="A device that is not held itself gets a new certificate when it asks: quarantine or disable it to keep it out."
        />
        <DialogButtons verb="Next" onCancel={onClose} />
      </form>
    </Dialog>
  );
}
