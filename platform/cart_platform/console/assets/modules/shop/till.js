/**
 * Sends commands, each once: the same wish within a moment, or again after a failure, is the same command.
 *
 * @typedef {{cart: string, command: "add_item" | "change_quantity" | "remove_item" | "check_out", product?: string,
 *     quantity?: number}} Wish
 * @typedef {{outcome: string, time: string, data: Record<string, unknown>}} Result
 * @typedef {{status: number, duration_ms: number, repeated: boolean, event: {id: string, type: string, cart: string,
 *     version: number, status: "accepted" | "handled", results: Record<string, Result>}}} Answer
 */

/** A second click that comes sooner belongs to the first. */
const DOUBLE_CLICK_MS = 500;

export class Till {
    /** @param {typeof import("/modules/api.js")} api */
    constructor(api) {
        this.api = api;
        /** @type {Map<string, string>} Keys of commands by wish. */
        this.keys = new Map();
    }

    /**
     * @param {Wish} wish
     * @param {number | null} wait Seconds that the answer may wait for the handlers.
     * @returns {Promise<Answer>}
     */
    async send(wish, wait) {
        const name = JSON.stringify(wish);
        const key = this.keys.get(name) ?? newKey();
        this.keys.set(name, key);
        const began = performance.now();
        try {
            const answer = await this.api.post("/api/shop/commands", { ...wish, key, wait });
            this.forget(name, began);
            return answer;
        } catch (error) {
            if (isRefusal(error)) {
                this.forget(name, began);
            }
            throw error;
        }
    }

    /**
     * What comes from now on is another command; but not yet within a double click.
     *
     * @param {string} name
     * @param {number} began
     */
    forget(name, began) {
        const left = began + DOUBLE_CLICK_MS - performance.now();
        setTimeout(() => this.keys.delete(name), Math.max(0, left));
    }
}

/** Randomness that is there on pages without TLS too. */
function newKey() {
    return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Whether the API's last word was no: otherwise the command may yet have taken effect.
 *
 * @param {unknown} error
 */
function isRefusal(error) {
    const status = /** @type {{status?: number}} */ (error).status ?? 0;
    return status >= 400 && status < 500;
}
