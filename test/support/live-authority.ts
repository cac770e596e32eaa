import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemRandom } from '../../src/core/random.ts';
import {
  type AuthorityDeps,
  type Rotation,
  type RotationOptions,
  rotateAuthority,
} from '../../src/operator/ca-rotation.ts';
import type { Outcome } from '../../src/operator/change.ts';
import { readAuthorityState, writeAuthorityState } from '../../src/pki/authority-folder.ts';
import type { Authority } from '../../src/pki/issuer.ts';
import { type AuthorityState, authorityOf } from '../../src/pki/roll-over.ts';
import type { World } from './world.ts';

/** The authority of a world that rolls over as `firstboot ca rotate` does it, in a folder; service and gateways follow at once. */
export class LiveAuthority {
  state: AuthorityState;
  private present: Authority;
  private written = false;

  constructor({ root, issuing }: Authority) {
    this.state = { root, issuing, next: undefined, previous: undefined, retired: [] };
    this.present = authorityOf(this.state);
  }

  /** For the settings of a world. */
  get authority(): Authority {
    const present = (): Authority => this.present;
    return {
      get root() {
        return present().root;
      },
      get issuing() {
        return present().issuing;
      },
      get chain() {
        return present().chain;
      },
      get trustAnchors() {
        return present().trustAnchors;
      },
      get issuers() {
        return present().issuers;
      },
    };
  }

  async rotate(world: World, folder: string, options: RotationOptions): Promise<Outcome<Rotation>> {
    const at = join(folder, 'authority');
    await this.writeOnce(at);
    const deps: AuthorityDeps = {
      folder: at,
      store: world.store,
      now: () => world.timers.now(),
      random: systemRandom,
      actor: { kind: 'operator', name: 'test', from: 'here' },
    };
    const outcome = await rotateAuthority(deps, options);
    this.state = await readAuthorityState(at, world.timers.now());
    this.present = authorityOf(this.state);
    return outcome;
  }

  private async writeOnce(folder: string): Promise<void> {
    if (this.written) return;
    this.written = true;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeAuthorityState(folder, this.state);
  }
}
