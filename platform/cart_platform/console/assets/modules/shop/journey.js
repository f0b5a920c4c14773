/** The visitor's own events on their way: from the request over outbox and bus to each handler. */
import { fill, h, keep } from "/modules/dom.js";
import { milliseconds, preciseTime } from "/modules/format.js";
import { stepsOf } from "./steps.js";
import { happened, titleOf } from "./words.js";

/**
 * @typedef {import("/modules/pages.js").Context} Context
 * @typedef {import("./till.js").Answer} Answer
 * @typedef {import("./steps.js").Travelling} Travelling
 */

const SHOWN = 30;
const THRESHOLD_REACHED = "cart.threshold_reached";

export class Journey {
    /** @param {Context} context */
    constructor({ api, live }) {
        this.api = api;
        this.live = live;
        this.cart = "";
        /** @type {import("./steps.js").Ways} */
        this.ways = { reactions: {}, commanded: [] };
        /** @type {Map<string, Travelling>} */
        this.events = new Map();
        /** @type {Promise<void> | null} */
        this.looking = null;
        this.list = h("ol", { class: "shop-events" });
        this.empty = h("p", { class: "empty" }, "What you do shows here, as it travels.");
        this.element = h(
            "section",
            { class: "card", "aria-labelledby": "shop-events" },
            h("h2", { id: "shop-events" }, "Your events"),
            h("p", { class: "quiet small" }, "Times are since the event came about. Each leads to its whole story."),
            this.list,
            this.empty,
        );
    }

    /** @param {string} cart */
    take(cart) {
        this.cart = cart;
        this.looking = null;
        this.events.clear();
        this.draw();
    }

    /** @param {import("./steps.js").Ways} ways */
    know({ reactions, commanded }) {
        this.ways = { reactions, commanded };
        this.draw();
    }

    /** Whether one of them is still on its way. */
    get open() {
        return this.shown.some((event) => stepsOf(event, this.ways).some(({ state }) => state === "wait" || state === "warn"));
    }

    /** How many e-mails they have brought. */
    get mails() {
        const reached = this.shown.filter(({ type }) => type === THRESHOLD_REACHED);
        return reached.filter(({ handlings }) => handlings.some(({ outcome }) => outcome === "done")).length;
    }

    /** Newest first. */
    get shown() {
        return [...this.events.values()].sort((one, other) => other.time - one.time).slice(0, SHOWN);
    }

    /**
     * An event is known from the answer before anything is told of it.
     *
     * @param {Answer} answer
     * @param {Omit<import("./till.js").Wish, "cart">} wish
     */
    add(answer, wish) {
        const { event } = answer;
        if (event.cart !== this.cart) {
            return;
        }
        const blank = { id: event.id, type: event.type, time: this.live.now(), cause: null, published: null, handlings: [] };
        this.events.set(event.id, { answer, about: wish.product && aboutOf(wish), ...(this.events.get(event.id) ?? blank) });
        this.draw();
    }

    /** Ask what has become of them; one question at a time. */
    look() {
        this.looking ??= this.ask(this.cart).finally(() => (this.looking = null));
        return this.looking;
    }

    /** @param {string} cart */
    async ask(cart) {
        const { events } = await this.api.get("/api/events", { subject: cart, from: 0, limit: SHOWN });
        if (cart !== this.cart) {
            return;
        }
        for (const event of events) {
            const { answer, about } = this.events.get(event.id) ?? {};
            this.events.set(event.id, { ...event, answer, about });
        }
        this.draw();
    }

    draw() {
        const { shown } = this;
        this.empty.hidden = shown.length > 0;
        keep(
            this.list,
            shown,
            ({ id }) => id,
            (event) => this.redraw(h("li", {}), event),
            (element, event) => this.redraw(element, event),
        );
    }

    /**
     * @param {Element} element
     * @param {Travelling} event
     */
    redraw(element, event) {
        const steps = stepsOf(event, this.ways);
        const state = JSON.stringify(steps);
        if (element.getAttribute("data-state") !== state) {
            element.setAttribute("data-state", state);
            element.className = event.cause ? "shop-follows" : "";
            fill(element, head(event), h("ol", { class: "shop-steps" }, steps.map(drawn)));
        }
        return element;
    }
}

/** @param {{product?: string, quantity?: number}} wish */
function aboutOf({ product = "", quantity }) {
    return `${quantity ? `${quantity} × ` : ""}${titleOf(product)}`;
}

/** @param {Travelling} event */
function head({ id, type, time, cause, about }) {
    return h(
        "div",
        { class: "shop-event" },
        cause && h("span", { class: "quiet" }, "↳"),
        h("a", { href: `#/events/${encodeURIComponent(id)}`, title: `${type ?? ""} ${id}` }, happened(type)),
        h("span", { class: "quiet small" }, cause ? "follows from one before" : about),
        h("time", { class: "quiet small" }, preciseTime(time)),
    );
}

/** @param {import("./steps.js").Step} step */
function drawn({ name, state, ms, words }) {
    return h(
        "li",
        { class: `shop-${state}`, title: `${name}: ${words}` },
        h("span", { class: "shop-step" }, name),
        h("span", { class: "small" }, ms === null ? words : milliseconds(ms)),
        ms !== null && h("span", { class: "unseen" }, words),
    );
}
