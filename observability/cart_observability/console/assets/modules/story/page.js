/** What a page about one event or one trace has: it asks again and again, as long as there is something to come. */
import { Problem } from "../api.js";
import { fill, h } from "../dom.js";
import { Waterfall } from "../waterfall.js";

/** @typedef {import("../shapes.js").Context} Context */

/** While something is to come, and for as long after it as telemetry may be late. */
export const OFTEN_MS = 1_000;
export const SELDOM_MS = 10_000;
export const LATE_MS = 15_000;
/** So often something that is not known yet is asked for soon again: it may just have happened. */
const SOON = 5;

/** Parts of the page that are made anew only when what they show is another. */
class Parts {
    constructor() {
        /** @type {Map<HTMLElement, string>} */
        this.shown = new Map();
    }

    /**
     * @param {HTMLElement} place
     * @param {unknown} what
     * @param {() => (Node | string | null | false)[]} make
     */
    draw(place, what, make) {
        const text = JSON.stringify(what) ?? "";
        if (this.shown.get(place) !== text) {
            this.shown.set(place, text);
            const made = make();
            place.hidden = made.every((child) => !child);
            fill(place, made);
        }
    }
}

/** @abstract */
export class Page {
    /**
     * @param {HTMLElement} root
     * @param {Context} context
     * @param {string} path
     */
    constructor(root, context, path) {
        this.root = root;
        this.context = context;
        this.path = path;
        this.control = new AbortController();
        this.timer = 0;
        this.parts = new Parts();
        this.waterfall = new Waterfall(context.address);
        this.found = false;
        this.failures = 0;
        this.note = h("div", { role: "status" }, h("p", { class: "quiet" }, "Asking …"));
        root.append(this.note);
        this.ask();
    }

    async ask() {
        try {
            const answer = await this.context.api.get(this.path, {}, this.control.signal);
            this.begin();
            this.timer = setTimeout(() => this.ask(), this.draw(answer));
        } catch (error) {
            if (!this.control.signal.aborted) {
                this.fail(error);
                this.failures += 1;
                this.timer = setTimeout(() => this.ask(), this.failures < SOON ? OFTEN_MS : SELDOM_MS);
            }
        }
    }

    begin() {
        if (!this.found) {
            this.found = true;
            fill(this.root, this.elements());
        }
    }

    /** @param {unknown} error */
    fail(error) {
        if (this.found) {
            return;
        }
        const missing = error instanceof Problem && error.status === 404;
        fill(
            this.note,
            missing
                ? this.unknown()
                : h("p", { class: "failure" }, error instanceof Error ? error.message : String(error)),
        );
    }

    unknown() {
        const { id } = this.context.address.current;
        this.context.heading("Nothing known");
        return h(
            "div",
            { class: "empty" },
            h("p", {}, "Nothing is known of ", h("code", {}, id ?? ""), "."),
            h(
                "p",
                {},
                "It may be too new, or older than what is kept, or left out by a sampler. It is looked for again.",
            ),
            h(
                "p",
                {},
                h(
                    "a",
                    {
                        href: this.context.address.link("logs", null, {
                            q: `"${(id ?? "").replace(/[\\"]/g, "\\$&")}"`,
                        }),
                    },
                    "Search for it in the log lines",
                ),
            ),
        );
    }

    /** Where an address names a span, go there, once. */
    goToSpan() {
        const { span } = this.context.address.current.parameters;
        if (span && !this.gone) {
            this.gone = true;
            this.waterfall.select(span);
        }
    }

    close() {
        clearTimeout(this.timer);
        this.control.abort();
    }

    /**
     * @abstract
     * @returns {HTMLElement[]}
     */
    elements() {
        return [];
    }

    /**
     * @abstract
     * @param {any} answer
     * @returns {number} After how many ms to ask again.
     */
    draw(answer) {
        return answer ? SELDOM_MS : OFTEN_MS;
    }
}
