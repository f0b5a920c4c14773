/** The frame: puts together what pages share, and shows the page that the address names. */
import * as api from "./api.js";
import { Address } from "./address.js";
import { Live } from "./live.js";
import { Marks } from "./marks.js";
import { pagesOf } from "./pages.js";
import { Range } from "./range.js";
import { admitted } from "./shell/admission.js";
import { faults } from "./shell/faults.js";
import { navigation } from "./shell/navigation.js";
import { rangeControl } from "./shell/range_control.js";
import { search } from "./shell/search.js";
import { state } from "./shell/state.js";
import { themeSwitch } from "./shell/theme_switch.js";
import { View } from "./shell/view.js";
import { apply } from "./theme.js";
import { take } from "./token.js";

/** @typedef {import("./pages.js").Overview} Overview */

/** @param {string} id */
function part(id) {
    return /** @type {HTMLElement} */ (document.getElementById(id));
}

/**
 * Tell screen readers.
 *
 * @param {string} text
 */
function say(text) {
    part("said").textContent = text;
}

/**
 * Be known to the server before anything else is asked.
 *
 * @returns {{live: Live, first: Promise<Overview>, onKnown: (listener: (overview: Overview) => void) => void}}
 *     `first` is the first overview; the listener gets each one after, one a connection.
 */
function connected() {
    /** @type {(overview: Overview) => void} */
    let known = () => undefined;
    const first = new Promise((resolve) => {
        known = resolve;
    });
    const live = new Live(
        () => admitted(() => api.get("/api/overview")),
        (overview) => known(overview),
    );
    return { live, first, onKnown: (listener) => (known = listener) };
}

/** As the API's own, but where only acting needs the token it is asked for then. */
const post = (/** @type {Parameters<typeof api.post>} */ ...asked) => admitted(() => api.post(...asked), true);

async function start() {
    take();
    apply();
    const { live, first, onKnown } = connected();
    part("status").append(state(live, say));
    live.open();
    const overview = await first;
    const address = new Address(pagesOf(overview)[0].id);
    const oldest = () => context.overview.oldest ?? context.overview.started;
    const range = new Range(address, () => live.now(), oldest);
    const marks = new Marks(() => range.bounds(), live);
    range.onChange(() => marks.ask());
    // A fault that is on matters now, whatever time the charts show.
    const present = new Marks(() => ({ from: context.overview.started, to: live.now() }), live);
    const view = new View(part("page"));
    /** @type {import("./pages.js").Context} */
    const context = { api: { ...api, post }, live, address, range, marks, overview, heading: (text) => view.heading(text), say };
    const show = () => {
        navigation(part("pages"), pagesOf(context.overview), address);
        view.show(context);
    };
    part("brand").textContent = overview.title;
    part("status").prepend(faults(present, pagesOf(overview)));
    part("controls").append(search(address), rangeControl(range), themeSwitch());
    address.onChange(show);
    onKnown((latest) => {
        context.overview = latest;
        show();
        [marks, present].forEach((some) => some.ask());
    });
    show();
    [marks, present].forEach((some) => some.ask());
}

start();
