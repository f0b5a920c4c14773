/**
 * The e-mails that the visitor's cart brought, as they lie in the Maildir.
 *
 * @typedef {{id: string, time: number, from: string, to: string, subject: string, text: string, message_id: string}} Mail
 */
import { h, keep } from "/modules/dom.js";
import { dateTime } from "/modules/format.js";

/** An e-mail is looked for so often: it may lie deeper in the Maildir than is searched. */
const TRIES = 10;
const SHOWN = 20;

export class MailView {
    /** @param {typeof import("/modules/api.js")} api */
    constructor(api) {
        this.api = api;
        this.cart = "";
        this.count = 0;
        this.expected = 0;
        this.tries = 0;
        this.list = h("div", { class: "shop-mails" });
        this.note = h("p", { class: "empty" });
        this.folder = h("p", { class: "quiet small" });
        this.element = h(
            "section",
            { class: "card", "aria-labelledby": "shop-mails" },
            h("h2", { id: "shop-mails" }, "E-mails about your cart"),
            this.list,
            this.note,
            this.folder,
        );
    }

    /** @param {string} cart */
    take(cart) {
        this.cart = cart;
        this.count = this.expected = this.tries = 0;
        this.draw([], "");
    }

    /** Whether an e-mail is still to be found. */
    get due() {
        return this.count < this.expected && this.tries > 0;
    }

    /**
     * Look until there are so many e-mails, but not for ever.
     *
     * @param {number} expected
     */
    async seek(expected) {
        if (expected > this.expected) {
            this.expected = expected;
            this.tries = TRIES;
        }
        if (this.due) {
            this.tries -= 1;
            await this.look();
        }
    }

    async look() {
        const { cart } = this;
        const { mails, folder } = await this.api.get("/api/shop/mail", { cart, limit: SHOWN });
        if (cart === this.cart) {
            this.count = folder === null ? Infinity : mails.length;
            this.draw(mails, folder);
        }
    }

    /**
     * @param {Mail[]} mails
     * @param {string | null} folder
     */
    draw(mails, folder) {
        keep(this.list, mails, ({ id }) => id, made);
        this.note.hidden = mails.length > 0;
        this.note.textContent =
            folder === null
                ? "E-mails go to a mail server: look there."
                : "None yet. One is sent when the cart's units go from below ten to ten or more.";
        this.folder.textContent = mails.length ? `In the Maildir ${folder}` : "";
    }
}

/** @param {Mail} mail */
function made({ time, from, to, subject, text, message_id }) {
    const head = { From: from, To: to, Date: dateTime(time), Subject: subject, "Message-ID": message_id };
    return h(
        "article",
        { class: "shop-mail" },
        h("dl", { class: "small" }, Object.entries(head).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
        h("pre", {}, text),
    );
}
