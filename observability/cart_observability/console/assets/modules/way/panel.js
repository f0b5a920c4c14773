/** What is known of the chosen part of the map: its figures, charts, last events, and where to look further. */
import { fill, h, keep } from "../dom.js";
import { eventItem } from "./event_item.js";
import { kindOf } from "./kinds.js";
import { sightOf } from "./views.js";
import { factsOf } from "./words.js";

/**
 * @typedef {import("../shapes.js").Context} Context
 * @typedef {import("../shapes.js").Event} Event
 * @typedef {import("../live.js").Way} Way
 * @typedef {import("../live.js").WayNode} WayNode
 * @typedef {import("./views.js").Sight} Sight
 */

const LAST_EVENTS = 8;
const EVERY_MS = 3_000;
const CHART_HEIGHT = 96;
const POINTS = 120;

export class Panel {
    /** @param {Context} context */
    constructor(context) {
        this.context = context;
        /** @type {string | null} */
        this.id = null;
        /** @type {Sight | null} */
        this.sight = null;
        this.due = 0;
        this.control = new AbortController();
        /** @type {Map<string, import("../chart.js").Chart>} */
        this.charts = new Map();
        /** @type {Promise<import("../chart.js").About[]> | null} */
        this.abouts = null;
        this.title = h("h2", { tabindex: -1 });
        this.facts = h("dl", {});
        this.links = h("p", { class: "way-links" });
        this.drawings = h("div", { class: "way-charts" });
        this.events = h("ul", { class: "way-events" });
        const shut = h("button", { type: "button", class: "plain", onclick: () => this.leave() }, "Close");
        this.element = h(
            "aside",
            { class: "way-panel card", hidden: true, "aria-label": "Chosen part" },
            h("div", { class: "way-panel-head" }, this.title, shut),
            h(
                "div",
                { class: "way-panel-body" },
                h("div", {}, this.facts, this.links),
                this.drawings,
                h("div", {}, h("h3", {}, "Last events"), this.events),
            ),
        );
        this.element.addEventListener("keydown", (event) => event.key === "Escape" && this.leave());
        this.endRange = context.range.onChange(() => (this.due = 0));
    }

    /**
     * @param {Way} way
     * @param {number} now
     * @param {string | null} id Of the chosen node.
     */
    update(way, now, id) {
        const node = way.nodes.find((one) => one.id === id);
        this.element.hidden = !node;
        if (!node) {
            this.clear(null);
            return;
        }
        this.sight = sightOf(way, node);
        if (node.id !== this.id) {
            this.clear(node.id);
            this.begin(node, this.sight);
        }
        fill(
            this.facts,
            factsOf(node, now)
                .map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])
                .flat(),
        );
        if (now >= this.due) {
            this.due = now + EVERY_MS;
            this.ask(this.sight);
        }
    }

    /** Shut it, and go back to the map. */
    leave() {
        const { id } = this;
        this.context.address.set({ node: null });
        const marks = /** @type {NodeListOf<SVGElement>} */ (document.querySelectorAll(".way-node"));
        [...marks].find((mark) => mark.dataset.id === id)?.focus();
    }

    close() {
        this.clear(null);
        this.endRange();
    }

    /** @param {string | null} id */
    clear(id) {
        this.id = id;
        this.due = 0;
        this.control.abort();
        this.control = new AbortController();
        this.charts.forEach((chart) => chart.destroy());
        this.charts.clear();
        this.drawings.replaceChildren();
        this.events.replaceChildren();
    }

    /**
     * @param {WayNode} node
     * @param {Sight} sight
     */
    begin(node, { handler, outcome, query }) {
        const { address } = this.context;
        this.title.textContent = `${node.name} (${kindOf(node.kind).words})`;
        fill(
            this.links,
            h(
                "a",
                { class: "button", href: address.link("events", null, { handler, outcome }) },
                handler ? "Its events" : "Events",
            ),
            query !== null &&
                h("a", { class: "button", href: address.link("logs", null, { q: query }) }, "Its log lines"),
        );
        // Chosen in the map, not named by the address: whoever did so wants to read it.
        if (document.activeElement?.closest(".way-node")) {
            this.title.focus({ preventScroll: true });
            this.element.scrollIntoView({ block: "nearest" });
        }
    }

    /** @param {Sight} sight */
    async ask(sight) {
        const { api } = this.context;
        const { signal } = this.control;
        this.abouts ??= api.get("/api/charts");
        try {
            const abouts = await this.abouts;
            const filters = { handler: sight.handler, outcome: sight.outcome, limit: LAST_EVENTS };
            const known = abouts.filter(({ name }) => sight.charts.includes(name));
            await Promise.all([
                api.get("/api/events", filters, signal).then(({ events }) => this.list(events, sight.handler)),
                // One that cannot be had keeps no other from being shown.
                ...known.map((about) => this.chart(about, sight, signal).catch(() => undefined)),
            ]);
        } catch (error) {
            if (!signal.aborted) {
                this.abouts = null;
            }
        }
    }

    /**
     * @param {import("../chart.js").About} about
     * @param {Sight} sight
     * @param {AbortSignal} signal
     */
    async chart(about, { handler }, signal) {
        const asked = this.context.range.bounds();
        const answer = await this.context.api.get(
            `/api/charts/${about.name}`,
            { ...asked, points: POINTS, handler },
            signal,
        );
        if (answer.series.length === 0) {
            return;
        }
        // Charts come with a library: whoever looks at the map alone does without.
        const { Chart } = await import("../chart.js");
        let chart = this.charts.get(about.name);
        if (!chart && !signal.aborted) {
            chart = new Chart(about, this.context, CHART_HEIGHT);
            this.charts.set(about.name, chart);
            this.drawings.append(chart.element);
        }
        chart?.draw(answer, asked);
    }

    /**
     * @param {Event[]} events
     * @param {string | null} handler Whose they are; null for everybody's.
     */
    list(events, handler) {
        const { address } = this.context;
        const make = (/** @type {Event} */ event) => eventItem(event, handler, address);
        keep(this.events, events, ({ id, revision }) => `${id} ${revision}`, make);
    }
}
