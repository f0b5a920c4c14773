/** The place where one page at a time is shown. */
import { fill, h, stylesheet } from "../dom.js";
import { load, pagesOf } from "../pages.js";

export class View {
    /** @param {HTMLElement} main */
    constructor(main) {
        this.main = main;
        this.title = h("h1", { class: "shell-heading", tabindex: -1 });
        /** What is shown, or about to be. */
        this.shown = "";
        /** @type {(() => void) | null} */
        this.end = null;
    }

    /** @param {string} text */
    heading(text) {
        this.title.textContent = text;
        document.title = `${text} · ${document.getElementById("brand")?.textContent ?? ""}`;
    }

    /**
     * Show the page that the address names, if it is not the one shown.
     *
     * @param {import("../pages.js").Context} context
     */
    async show(context) {
        const { page, id } = context.address.current;
        const wanted = JSON.stringify([page, id]);
        if (wanted === this.shown) {
            return;
        }
        const first = this.shown === "";
        this.shown = wanted;
        const entry = pagesOf(context.overview).find((one) => one.id === page);
        const found = entry ? await load(entry, id).catch(failed) : unknown(page);
        await (found.style && stylesheet(found.style));
        if (wanted !== this.shown) {
            return;
        }
        this.leave();
        this.enter(found, context);
        if (!first) {
            // Reading goes on at the top of the new page, as it would with a page of its own.
            scrollTo(0, 0);
            this.title.focus({ preventScroll: true });
        }
    }

    leave() {
        try {
            this.end?.();
        } finally {
            this.end = null;
        }
    }

    /**
     * @param {import("../pages.js").Page} page
     * @param {import("../pages.js").Context} context
     */
    enter(page, context) {
        const root = h("div", { class: "shell-page" });
        fill(this.main, this.title, root);
        this.heading(page.title);
        try {
            this.end = page.show(root, context) ?? null;
        } catch (error) {
            root.append(h("p", { class: "failure" }, `This page failed: ${error}`));
            throw error;
        }
    }
}

/** @returns {import("../pages.js").Page} */
function failed() {
    const reload = () => location.reload();
    const show = (/** @type {HTMLElement} */ root, /** @type {import("../pages.js").Context} */ { live }) => {
        const button = h("button", { type: "button", onclick: reload }, "Reload");
        root.append(h("p", { class: "empty" }, "This page could not be loaded. ", button));
        // A browser may remember that a module failed: only a reload asks for it again.
        return live.onState((now) => now === "live" && reload());
    };
    return { title: "Not loaded", show };
}

/**
 * @param {string} page
 * @returns {import("../pages.js").Page}
 */
function unknown(page) {
    return said("No such page", `This console has no page called ${page}.`);
}

/**
 * @param {string} title
 * @param {string} text
 * @returns {import("../pages.js").Page}
 */
function said(title, text) {
    return { title, show: (root) => void root.append(h("p", { class: "empty" }, text)) };
}
