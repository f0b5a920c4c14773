/**
 * What is newest, kept up to date in a long list without moving what is being read: while the reader is at it or has
 * paused, what comes is counted, and shown when asked for.
 */
import { Problem } from "./api.js";

const PAGE = 200;
/** As many stay in the list while new ones come in at its top. */
const LIVE_ITEMS = 2_000;

/**
 * @template Item
 * @typedef {{items: Item[], more: boolean, before?: number | null}} Page Newest first. `before`: where to go on, if not
 *     before the last item: a search may give up for now, and have found nothing yet.
 */

/**
 * @template Item
 * @typedef {{
 *     ask: (cursor: {before?: number, after?: number, limit: number}, signal: AbortSignal) => Promise<Page<Item>>,
 *     key: (item: Item) => string,
 *     cursor: (item: Item) => number,
 *     order: (a: Item, b: Item) => number,
 *     changed: () => void,
 *     failed: (error: unknown) => void,
 * }} Options `order`: newest first. An item that comes again with the same key takes the place of the earlier one.
 */

/** @template Item */
export class Feed {
    /**
     * @param {import("./windowed.js").WindowedList<Item>} list
     * @param {Options<Item>} options
     */
    constructor(list, options) {
        this.list = list;
        this.options = options;
        /** @type {Item[]} */
        this.items = [];
        this.more = false;
        this.loading = false;
        this.paused = false;
        /** How many wait to be shown, and whether there are more than that. */
        this.waiting = { count: 0, more: false };
        this.seen = 0;
        this.oldest = Infinity;
        this.control = new AbortController();
        this.busy = false;
        /** Whether the question itself was refused: it is not asked again until it is another. */
        this.refused = false;
    }

    /** Ask for everything anew: at the start, and when what is asked for is another. */
    async restart() {
        this.control.abort();
        this.control = new AbortController();
        this.busy = false;
        this.loading = true;
        this.refused = false;
        // Of a server that begins anew, all is new.
        this.seen = 0;
        this.options.changed();
        await this.exclusively(async () => {
            this.take(await this.asked({}));
            this.list.toTop();
        });
    }

    /**
     * There is something as new as this.
     *
     * @param {number} newest
     */
    async heard(newest) {
        if (this.refused) {
            return;
        }
        const holds = this.paused || this.list.held;
        if (!holds && this.waiting.count) {
            await this.restart();
        }
        if (newest <= this.seen || this.loading) {
            return;
        }
        await this.exclusively(async () => {
            const page = await this.asked({ after: this.seen });
            this.seen = Math.max(this.seen, newest);
            if (holds) {
                this.hold(page);
            } else {
                this.newer(page);
            }
        });
    }

    /** Show what waits, and follow again. */
    async release() {
        this.paused = false;
        this.list.toTop();
        await this.restart();
    }

    pause() {
        this.paused = true;
        this.options.changed();
    }

    /** Ask for what is older than all that is here. */
    async older() {
        if (this.more && !this.refused) {
            await this.exclusively(async () => {
                const page = await this.asked({ before: this.oldest });
                const oldest = Math.min(this.oldest, page.before ?? Infinity, ...page.items.map(this.options.cursor));
                this.more = page.more && oldest < this.oldest;
                this.oldest = oldest;
                this.merge(page.items);
            });
        }
    }

    close() {
        this.control.abort();
    }

    /** @param {{before?: number, after?: number}} cursor */
    asked(cursor) {
        return this.options.ask({ ...cursor, limit: PAGE }, this.control.signal);
    }

    /**
     * One question at a time; what comes for an earlier start is dropped.
     *
     * @param {() => Promise<void>} work
     */
    async exclusively(work) {
        if (this.busy) {
            return;
        }
        const { control } = this;
        let failed = false;
        this.busy = true;
        try {
            await work();
        } catch (error) {
            failed = true;
            if (!control.signal.aborted) {
                this.refused = error instanceof Problem && error.status === 400;
                this.options.failed(error);
            }
        }
        if (control === this.control) {
            this.busy = false;
            this.loading = false;
            this.options.changed();
            if (!failed) {
                // It may still end in sight.
                this.list.draw(false);
            }
        }
    }

    /** @param {Page<Item>} page */
    take({ items, more, before }) {
        const cursors = items.map(this.options.cursor);
        this.seen = Math.max(this.seen, ...cursors);
        this.oldest = Math.min(...cursors, before ?? Infinity);
        this.waiting = { count: 0, more: false };
        this.more = more;
        this.items = [...items].sort(this.options.order);
        this.list.show(this.items);
    }

    /** @param {Page<Item>} page */
    newer(page) {
        if (page.more) {
            // More came than one answer holds: a list with a gap in it would not be true.
            this.take(page);
        } else if (page.items.length) {
            this.merge(page.items);
        }
    }

    /** @param {Page<Item>} page */
    hold(page) {
        const known = new Set(this.items.map(this.options.key));
        const fresh = page.items.filter((item) => !known.has(this.options.key(item)));
        this.waiting = { count: this.waiting.count + fresh.length, more: this.waiting.more || page.more };
        if (!this.paused && fresh.length < page.items.length) {
            this.merge(page.items.filter((item) => known.has(this.options.key(item))));
        }
    }

    /** @param {Item[]} items */
    merge(items) {
        const { key, order, cursor } = this.options;
        const all = new Map(this.items.map((item) => [key(item), item]));
        for (const item of items) {
            all.set(key(item), item);
        }
        this.items = [...all.values()].sort(order);
        if (this.list.atTop && this.items.length > LIVE_ITEMS) {
            this.items.length = LIVE_ITEMS;
            this.oldest = Math.min(...this.items.map(cursor));
            this.more = true;
        }
        this.list.show(this.items);
    }
}
