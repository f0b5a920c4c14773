/** A small shop: put things into a cart of your own, and see your own events travel. */
import { h } from "/modules/dom.js";
import { Failure } from "./failure.js";
import { AnswerView } from "./shop/answers.js";
import { newCart, remembered, remember } from "./shop/cart_name.js";
import { CartView } from "./shop/cart_view.js";
import { Journey } from "./shop/journey.js";
import { MailView } from "./shop/mail_view.js";
import { Products } from "./shop/products.js";
import { Till } from "./shop/till.js";

/**
 * @typedef {import("/modules/pages.js").Context} Context
 * @typedef {import("./shop/till.js").Wish} Wish
 */

/** What the shop shows of the catalogue changes with everybody's shopping. */
const CATALOGUE_MS = 5_000;
/** After a command its event is looked for at once, and again. */
const EAGERLY_MS = [60, 200, 450, 900];

class Shop {
    /**
     * @param {HTMLElement} root
     * @param {Context} context
     */
    constructor(root, context) {
        this.context = context;
        this.till = new Till(context.api);
        this.failure = new Failure();
        this.answers = new AnswerView();
        this.products = new Products((wish) => this.send(wish));
        this.cart = new CartView((wish) => this.send(wish), (name) => this.take(name));
        this.journey = new Journey(context);
        this.mails = new MailView(context.api);
        this.asked = 0;
        /** @type {Set<number>} */
        this.timers = new Set();
        root.append(
            this.failure.element,
            h(
                "div",
                { class: "shop" },
                h("div", { class: "shop-goods" }, this.answers.element, this.products.element),
                h("div", { class: "shop-own" }, this.cart.element, this.journey.element, this.mails.element),
            ),
        );
    }

    /** The cart that the address names, or the one kept from before. */
    open() {
        const named = this.context.address.current.parameters.cart;
        this.take(named || remembered() || newCart());
    }

    /** @param {string} name */
    take(name) {
        if (name === this.cart.name) {
            return;
        }
        remember(name);
        this.cart.take(name);
        this.journey.take(name);
        this.mails.take(name);
        this.context.address.set({ cart: name });
        this.refresh();
    }

    async refresh() {
        await Promise.all([this.catalogue(), this.contents(), this.events(), this.failure.attempt("mails", () => this.mails.look())]);
    }

    async catalogue() {
        this.asked = this.context.live.now();
        await this.failure.attempt("products", async () => {
            const shop = await this.context.api.get("/api/shop/products");
            this.journey.know(shop);
            this.cart.know(shop);
            this.products.show(shop);
        });
    }

    async contents() {
        const { name } = this.cart;
        await this.failure.attempt("cart", async () => {
            const cart = await this.context.api.get(`/api/shop/carts/${encodeURIComponent(name)}`);
            if (name === this.cart.name) {
                this.cart.show(cart);
                this.products.mark(cart);
            }
        });
    }

    async events() {
        const { open } = this.journey;
        await this.failure.attempt("events", () => this.journey.look());
        if (open && !this.journey.open) {
            // What its handlers made of it shows on the shelf.
            this.catalogue();
        }
        await this.failure.attempt("mails", () => this.mails.seek(this.journey.mails));
    }

    /** @param {Omit<Wish, "cart">} wish */
    async send(wish) {
        const cart = this.cart.name;
        const wait = this.answers.wait;
        await this.failure.attempt("command", async () => {
            const answer = await this.till.send({ ...wish, cart }, wait);
            this.answers.show(answer, wait);
            this.context.say(this.answers.said);
            this.journey.add(answer, wish);
        });
        await Promise.all([this.contents(), this.events()]);
        EAGERLY_MS.forEach((ms) => this.later(ms));
    }

    /** @param {number} ms */
    later(ms) {
        const timer = setTimeout(() => {
            this.timers.delete(timer);
            if (this.journey.open) {
                this.events();
            }
        }, ms);
        this.timers.add(timer);
    }

    /** @param {number} now */
    tick(now) {
        const due = now - this.asked >= CATALOGUE_MS;
        if (due || this.journey.open || this.mails.due) {
            this.events();
        }
        if (due) {
            this.catalogue();
        }
    }

    close() {
        this.timers.forEach((timer) => clearTimeout(timer));
    }
}

export default {
    title: "Shop",
    style: "/extensions/styles/shop.css",

    /**
     * @param {HTMLElement} root
     * @param {Context} context
     */
    show(root, context) {
        const shop = new Shop(root, context);
        shop.open();
        const ends = [
            context.live.subscribe(({ now }) => shop.tick(now)),
            context.live.onState((_, before) => void (before === "lost" && shop.refresh())),
            context.address.onChange((now) => now.page === "shop" && now.parameters.cart && shop.take(now.parameters.cart)),
            () => shop.close(),
        ];
        return () => ends.forEach((end) => end());
    },
};
