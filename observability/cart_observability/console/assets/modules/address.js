/**
 * The page's address, `#/page/id?name=value`: it holds all that a view is made of, so a link to it can be shared.
 *
 * @typedef {{page: string, id: string | null, parameters: Record<string, string>}} Place
 * @typedef {Record<string, string | number | null | undefined>} Changes
 * @typedef {(now: Place, before: Place) => void} Listener
 */

export class Address {
    /** @param {string} home The page where the address names none. */
    constructor(home) {
        this.home = home;
        /** @type {Set<Listener>} */
        this.listeners = new Set();
        /** @type {Place} */
        this.current = this.read();
        addEventListener("hashchange", () => this.moved());
    }

    /**
     * Lead to another view, which the browser's back button undoes.
     *
     * @param {string} page
     * @param {string | null} [id]
     * @param {Changes} [parameters] All that the view gets; the time range comes with it by itself.
     */
    go(page, id = null, parameters = {}) {
        history.pushState(null, "", this.link(page, id, parameters));
        this.moved();
    }

    /**
     * Lead to an address that the API gave (`#/events/...`).
     *
     * @param {string} address
     */
    follow(address) {
        history.pushState(null, "", address);
        this.moved();
    }

    /**
     * Change parameters of this view in place; null, undefined and "" take one away.
     *
     * Listeners are told as by any other change: whoever sets what it listens to compares first.
     *
     * @param {Changes} changes
     */
    set(changes) {
        const { page, id, parameters } = this.current;
        const address = this.link(page, id, { ...parameters, ...changes });
        if (address !== location.hash) {
            history.replaceState(null, "", address);
            this.moved();
        }
    }

    /**
     * The address of a view, for a link.
     *
     * @param {string} page
     * @param {string | null} [id]
     * @param {Changes} [parameters]
     * @returns {string}
     */
    link(page, id = null, parameters = {}) {
        const path = id === null ? `#/${page}` : `#/${page}/${encodeURIComponent(id)}`;
        const pairs = Object.entries(parameters)
            .filter(([, value]) => value !== null && value !== undefined && value !== "")
            .map(([name, value]) => [name, String(value)]);
        return pairs.length ? `${path}?${new URLSearchParams(pairs)}` : path;
    }

    /**
     * Be told of each change, by a link, the back button, `go` or `set`.
     *
     * @param {Listener} listener
     * @returns {() => void} Ends it.
     */
    onChange(listener) {
        this.listeners.add(listener);
        return () => void this.listeners.delete(listener);
    }

    moved() {
        const before = this.current;
        this.current = this.read();
        for (const listener of [...this.listeners]) {
            listener(this.current, before);
        }
    }

    /** @returns {Place} */
    read() {
        const [path, query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
        const [page, ...rest] = path.split("/");
        return {
            page: page || this.home,
            id: rest.length && rest.join("/") ? decoded(rest.join("/")) : null,
            parameters: Object.fromEntries(new URLSearchParams(query)),
        };
    }
}

/** @param {string} text */
function decoded(text) {
    try {
        return decodeURIComponent(text);
    } catch {
        return text;
    }
}
