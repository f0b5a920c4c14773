/** Dark, light, or as the system has it. */

const KEY = "cartscope.theme";
/** @type {readonly ["system", "dark", "light"]} */
export const THEMES = ["system", "dark", "light"];
/** @typedef {typeof THEMES[number]} Theme */

/** @type {Set<() => void>} */
const listeners = new Set();
/** @type {Map<string, string>} */
const colours = new Map();

/** @returns {Theme} What is chosen. */
export function theme() {
    const kept = localStorage.getItem(KEY);
    return THEMES.find((one) => one === kept) ?? "system";
}

/** @param {Theme} chosen */
export function choose(chosen) {
    localStorage.setItem(KEY, chosen);
    apply();
}

/** Make the page look as chosen. */
export function apply() {
    document.documentElement.dataset.theme = theme();
    colours.clear();
    for (const listener of listeners) {
        listener();
    }
}

/**
 * Be told when colours change: what is drawn on a canvas has to be drawn again.
 *
 * @param {() => void} listener
 * @returns {() => void} Ends it.
 */
export function onColours(listener) {
    listeners.add(listener);
    return () => void listeners.delete(listener);
}

/**
 * A colour as it is now, for a canvas.
 *
 * @param {string} name Of the custom property: "--ink".
 * @returns {string}
 */
export function colour(name) {
    const value = colours.get(name) ?? computed(name);
    colours.set(name, value);
    return value;
}

/** @param {string} name */
function computed(name) {
    // The property itself says "light-dark(...)": only a colour that is used is worked out.
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
// Another tab may have chosen.
addEventListener("storage", apply);
