/** The drawing: links, nodes and the dots between them, brought in line with what the server tells. */
import { assign, fill, h, svg } from "../dom.js";
import { Dots } from "./dots.js";
import { labels } from "./labels.js";
import { layout, Order } from "./layout.js";
import { NodeMark } from "./node.js";
import { route } from "./route.js";
import { track } from "./track.js";
import { brief, factsOf, linkWords } from "./words.js";

/**
 * @typedef {import("../live.js").Way} Way
 * @typedef {import("../live.js").WayLink} WayLink
 * @typedef {import("../live.js").WayNode} WayNode
 */

/** For as long as the page is open: who comes back finds everything where it was. */
const order = new Order();
/** Between what is pointed at and what is told of it, px. */
const TIP_APART = 8;
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

export class WayMap {
    /** @param {(id: string) => void} open A node was chosen. */
    constructor(open) {
        this.open = open;
        /** @type {Way} */
        this.way = { nodes: [], links: [] };
        this.now = 0;
        /** @type {string | null} */
        this.chosen = null;
        this.shown = "";
        /** @type {Map<string, NodeMark>} */
        this.marks = new Map();
        /** @type {Map<string, {group: SVGGElement, line: SVGPathElement, label: SVGTextElement}>} */
        this.lines = new Map();
        this.links = svg("g", {});
        this.rates = svg("g", { "aria-hidden": "true" });
        this.nodes = svg("g", {});
        const arrow = svg(
            "marker",
            {
                id: "way-arrow",
                viewBox: "0 0 8 8",
                refX: 7,
                refY: 4,
                markerWidth: 8,
                markerHeight: 8,
                markerUnits: "userSpaceOnUse",
                orient: "auto",
            },
            svg("path", { d: "M0 0 8 4 0 8z" }),
        );
        this.under = svg("svg", { class: "way-drawing", "aria-hidden": "true" }, svg("defs", {}, arrow), this.links);
        this.over = svg(
            "svg",
            { class: "way-drawing over", role: "group", "aria-label": "The way of events" },
            this.rates,
            this.nodes,
        );
        this.canvas = h("canvas", { class: "way-dots", "aria-hidden": "true" });
        this.tip = h("div", { class: "way-tip", hidden: true, "aria-hidden": "true" });
        this.element = h("div", { class: "way-map" }, this.under, this.canvas, this.over, this.tip);
        this.dots = new Dots(this.canvas);
        this.observer = new ResizeObserver(() => this.draw());
        this.observer.observe(this.element);
        for (const type of ["pointerover", "focusin"]) {
            this.element.addEventListener(type, ({ target }) => this.point(target));
        }
        for (const type of ["pointerleave", "focusout"]) {
            this.element.addEventListener(type, () => this.point(null));
        }
        this.dots.start();
    }

    /**
     * @param {Way} way
     * @param {number} now
     * @param {string | null} chosen The id of the node whose details are shown.
     */
    update(way, now, chosen) {
        this.way = way;
        this.now = now;
        this.chosen = chosen;
        this.draw();
        for (const node of way.nodes) {
            this.marks.get(node.id)?.update(node, now, node.id === chosen);
        }
        for (const link of way.links) {
            this.write(link);
        }
        this.dots.flow(CALM.matches ? [] : way.links.map(flowOf));
    }

    /** Nothing is known of now: what stands still says so. */
    still() {
        this.dots.flow([]);
    }

    close() {
        this.dots.stop();
        this.observer.disconnect();
    }

    /** Lay everything out anew, if there is something new or another width. */
    draw() {
        const { nodes, links } = this.way;
        const width = Math.floor(this.element.clientWidth);
        const shown = JSON.stringify([width, nodes.map(({ id, column }) => [id, column]), links.map(({ id }) => id)]);
        if (shown === this.shown || !width || !nodes.length) {
            return;
        }
        this.shown = shown;
        const plan = layout(this.way, order, width);
        for (const drawing of [this.under, this.over]) {
            drawing.setAttribute("width", String(plan.width * plan.scale));
            drawing.setAttribute("height", String(plan.height * plan.scale));
            drawing.setAttribute("viewBox", `0 0 ${plan.width} ${plan.height}`);
        }
        this.putNodes(plan);
        this.putLinks(plan);
        const tracks = new Map([...this.lines].map(([id, { line }]) => [id, track(line)]));
        this.putRates(plan, tracks);
        this.dots.drawn(tracks, plan);
    }

    /** @param {import("./layout.js").Layout} plan */
    putNodes(plan) {
        const ids = new Set(this.way.nodes.map((node) => node.id));
        for (const [id, mark] of this.marks) {
            if (!ids.has(id)) {
                mark.element.remove();
                this.marks.delete(id);
            }
        }
        // In the order of the way, which is the order of the Tab key.
        for (const node of this.way.nodes) {
            const mark = this.marks.get(node.id) ?? new NodeMark(node, this.open);
            const place = plan.places.get(node.id);
            this.marks.set(node.id, mark);
            if (place) {
                mark.put(place, plan.nodeHeight);
            }
            mark.update(node, this.now, node.id === this.chosen);
        }
        const sorted = this.way.nodes.flatMap((node) => this.marks.get(node.id)?.element ?? []);
        if (sorted.some((element, index) => element !== this.nodes.children[index])) {
            const focus = /** @type {SVGElement | null} */ (document.activeElement);
            this.nodes.append(...sorted);
            focus?.focus({ preventScroll: true });
        }
    }

    /** @param {import("./layout.js").Layout} plan */
    putLinks(plan) {
        this.lines.clear();
        for (const link of this.way.links) {
            const way = route(plan, link);
            if (way) {
                const line = svg("path", { class: "way-line", d: way, "marker-end": "url(#way-arrow)" });
                const wide = svg("path", { class: "way-reach", d: way });
                const group = svg("g", { class: "way-link", "data-kind": link.kind, "data-id": link.id }, line, wide);
                this.lines.set(link.id, { group, line, label: svg("text", { class: "way-rate" }) });
                this.write(link);
            }
        }
        fill(
            this.links,
            [...this.lines.values()].map(({ group }) => group),
        );
    }

    /**
     * @param {import("./layout.js").Layout} plan
     * @param {Map<string, import("./track.js").Track>} tracks
     */
    putRates(plan, tracks) {
        const rated = this.way.links.filter(({ kind }) => kind !== "failed").map(({ id }) => id);
        const places = labels(plan, tracks, rated);
        for (const [id, { label }] of this.lines) {
            assign(label, { ...places.get(id) });
        }
        fill(
            this.rates,
            [...this.lines.values()].map(({ label }) => label),
        );
    }

    /** @param {WayLink} link */
    write(link) {
        const drawn = this.lines.get(link.id);
        if (drawn) {
            drawn.label.textContent = link.rate === null || link.kind === "failed" ? "" : `${brief(link.rate)}/s`;
            drawn.line.style.strokeWidth = `${1.5 + Math.min(2, Math.log10(1 + (link.rate ?? 0)))}`;
            drawn.group.classList.toggle("idle", !link.rate);
        }
    }

    /**
     * Show the details of what is pointed at, or of what has the focus.
     *
     * @param {EventTarget | null} target
     */
    point(target) {
        const group = target instanceof Element ? target.closest(".way-node, .way-link") : null;
        const mark = [...this.marks.values()].find(({ element }) => element === group);
        const node = mark && this.way.nodes.find(({ id }) => id === mark.id);
        const link = this.way.links.find(({ id }) => id === group?.getAttribute("data-id"));
        this.tip.hidden = !node && !link;
        if (group && node) {
            this.tip.replaceChildren(
                h("strong", {}, node.name),
                h(
                    "dl",
                    {},
                    factsOf(node, this.now)
                        .map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])
                        .flat(),
                ),
            );
        } else if (group && link) {
            this.tip.replaceChildren(linkWords(link));
        }
        if (group && !this.tip.hidden) {
            this.placeTip(group.getBoundingClientRect());
        }
    }

    /** @param {DOMRect} box */
    placeTip(box) {
        const around = this.element.getBoundingClientRect();
        const left = Math.min(box.left - around.left, around.width - this.tip.offsetWidth);
        const below = box.bottom - around.top + TIP_APART;
        const above = box.top - around.top - TIP_APART - this.tip.offsetHeight;
        this.tip.style.left = `${Math.max(0, left)}px`;
        this.tip.style.top = `${below + this.tip.offsetHeight > around.height ? Math.max(0, above) : below}px`;
    }
}

/** @param {WayLink} link */
function flowOf({ id, rate, errors }) {
    return { id, rate: Math.max(rate ?? 0, errors), errors };
}
