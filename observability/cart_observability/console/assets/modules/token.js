/**
 * The token that lets this page act where the console listens beyond loopback: it comes in the fragment
 * (`#token=...`), is kept for the tab alone, and leaves the address at once, so that a shared link does not carry it.
 */

const KEY = "cartscope.token";

/** Take the token out of the page's address, if there is one. */
export function take() {
    const found = /^#token=([^&/?]+)/.exec(location.hash);
    if (found) {
        sessionStorage.setItem(KEY, decodeURIComponent(found[1]));
        const rest = location.hash.slice(found[0].length).replace(/^[&]/, "");
        history.replaceState(null, "", rest.startsWith("/") ? `#${rest}` : "#/");
    }
}

/** @returns {string | null} */
export function held() {
    return sessionStorage.getItem(KEY);
}

/** @param {string} token Typed by the user. */
export function hold(token) {
    sessionStorage.setItem(KEY, token);
}
