/** The name of a visitor's own cart, kept by the browser. */
const KEY = "cartscope.cart";
const LETTERS = "abcdefghjkmnpqrstuvwxyz23456789";

/** @returns {string} A name that nobody else has. */
export function newCart() {
    const chosen = [...crypto.getRandomValues(new Uint8Array(6))].map((byte) => LETTERS[byte % LETTERS.length]);
    return `mine-${chosen.join("")}`;
}

/** @returns {string | null} */
export function remembered() {
    return localStorage.getItem(KEY);
}

/** @param {string} name */
export function remember(name) {
    localStorage.setItem(KEY, name);
}
