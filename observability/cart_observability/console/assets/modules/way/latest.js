/** The events that were seen last, below the map. */
import { h, keep } from "../dom.js";
import { eventItem } from "./event_item.js";

/**
 * @typedef {import("../shapes.js").Context} Context
 * @typedef {import("../shapes.js").Event} Event
 */

const SHOWN = 7;
const EVERY_MS = 3_000;

export class Latest {
    /** @param {Context} context */
    constructor(context) {
        this.context = context;
        this.due = 0;
        this.newest = 0;
        this.control = new AbortController();
        this.list = h("ul", { class: "way-events" });
        this.element = h(
            "section",
            { class: "way-latest", "aria-labelledby": "way-latest", hidden: true },
            h("h2", { id: "way-latest" }, "Events seen last"),
            this.list,
        );
    }

    /**
     * @param {import("../live.js").Tick} tick
     * @param {boolean} wanted Whether there is room for them.
     */
    update({ now, newest }, wanted) {
        this.element.hidden = !wanted || this.list.children.length === 0;
        if (wanted && now >= this.due && newest.event !== this.newest) {
            this.due = now + EVERY_MS;
            this.newest = newest.event;
            this.ask();
        }
    }

    async ask() {
        const { api, address } = this.context;
        try {
            const { events } = await api.get("/api/events", { limit: SHOWN }, this.control.signal);
            const make = (/** @type {Event} */ event) => eventItem(event, null, address);
            keep(this.list, events, ({ id, revision }) => `${id} ${revision}`, make);
        } catch {
            // What cannot be had is asked for again.
            this.newest = 0;
        }
    }

    close() {
        this.control.abort();
    }
}
