import { useState } from 'preact/hooks';

/** system: what the machine wears. */
export type Theme = 'system' | 'light' | 'dark';

const key = 'firstboot-theme';
const next: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' };
const signs: Record<Theme, string> = { system: '◐', light: '☀', dark: '☾' };

export function storedTheme(): Theme {
  const stored = localStorage.getItem(key);
  return stored === 'light' || stored === 'dark' ? stored : 'system';
}

export function wearTheme(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
  dispatchEvent(new Event(themeEvent));
}

/** Told on the window when the colours change by hand; by itself the machine changes `prefers-color-scheme`. */
export const themeEvent = 'firstboot-theme';

export function ThemeToggle() {
  const [theme, setTheme] = useState(storedTheme);
  const turn = () => {
    const turned = next[theme];
    localStorage.setItem(key, turned);
    wearTheme(turned);
    setTheme(turned);
  };
  return (
    <button type="button" class="quiet" aria-label={`Theme: ${theme}. Change`} title={`Theme: ${theme}`} onClick={turn}>
      <span aria-hidden="true">{signs[theme]}</span>
    </button>
  );
}
