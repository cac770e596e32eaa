import { useLayoutEffect, useRef } from 'preact/hooks';
import { count } from '../parts/words.ts';
import type { LaneView } from './board.ts';

/** Lanes side by side, a list of attempts in each; a card that changes its lane is seen to go there. */
export function Lanes({ label, lanes }: { readonly label: string; readonly lanes: readonly LaneView[] }) {
  return (
    <section class="lanes" aria-label={label}>
      {lanes.map(({ lane, total, cards, passed }) => (
        <section key={lane} class={`lane lane-${lane}`} aria-label={lane}>
          <div class="lane-head">
            <h2>{lane}</h2>
            <span class="small muted" title={`${count(passed)} since you opened this page`}>
              {count(passed)}
            </span>
          </div>
          <ol>
            {cards.map(({ attempt, name, refused, arrived }) => (
              <li key={attempt}>
                <a class={refused ? 'card card-refused' : 'card'} href={`/attempts/${attempt}`} data-card={attempt}>
                  {name}
                  {arrived ? <span title="It arrived at its cloud"> ✓</span> : null}
                </a>
              </li>
            ))}
          </ol>
          <p class="more small muted">{total > cards.length ? `+${count(total - cards.length)} more` : ''}</p>
        </section>
      ))}
    </section>
  );
}

const motion = { duration: 240, easing: 'cubic-bezier(.2,.7,.3,1)' } as const;

/**
 * Lets the cards below an element glide from where they were to where they are after each render. With reduced motion, on
 * a phone, or with too many cards to follow, they are just there.
 */
export function useGliding(most: number) {
  const ground = useRef<HTMLDivElement>(null);
  const places = useRef(new Map<string, DOMRect>());
  useLayoutEffect(() => {
    const cards = [...(ground.current?.querySelectorAll<HTMLElement>('[data-card]') ?? [])];
    const before = places.current;
    const still = cards.length > most || matchMedia('(prefers-reduced-motion: reduce), (max-width: 700px)').matches;
    places.current = new Map();
    if (still) return;
    const now = cards.map((card) => ({ card, id: card.dataset.card ?? '', place: card.getBoundingClientRect() }));
    const origin = ground.current?.getBoundingClientRect();
    for (const { card, id, place } of now) {
      // Measured from the ground, so that scrolling is no movement.
      const at = new DOMRect(place.x - (origin?.x ?? 0), place.y - (origin?.y ?? 0), place.width, place.height);
      const was = before.get(id);
      places.current.set(id, at);
      if (was && (was.x !== at.x || was.y !== at.y)) {
        const from = `translate(${was.x - at.x}px, ${was.y - at.y}px)`;
        card.animate([{ transform: from }, { transform: 'none' }], motion);
      } else if (!was) card.animate([{ opacity: 0 }, { opacity: 1 }], motion);
    }
  });
  return ground;
}
