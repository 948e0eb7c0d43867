//! Whether a page can be read and touched.

use serde::Deserialize;
use serde_json::json;

use super::page::Page;

/// Returns what reaches beyond the sides of the window.
pub(crate) fn beyond_the_edge(page: &Page<'_>) -> Vec<String> {
    let script = "const beyond = [...document.querySelectorAll('body *')].filter((node) => {
            const { left, right, width } = node.getBoundingClientRect();
            return width > 0 && node.checkVisibility() && (right > innerWidth + 0.5 || left < -0.5);
        }).map((node) => node.outerHTML.slice(0, 120));
        const wide = document.documentElement.scrollWidth;
        return wide > innerWidth ? [`the page is ${wide} px wide, the window ${innerWidth}`, ...beyond] : beyond;";
    page.run(script, &[])
}

/// Returns the controls that a finger misses: less than 40 px high, or something else lies over a part.
pub(crate) fn too_small_for_a_finger(page: &Page<'_>) -> Vec<String> {
    let script =
        "const controls = [...document.querySelectorAll('button, input, select, textarea, a[href], [data-handle]')];
        return controls.filter((node) => node.checkVisibility({ visibilityProperty: true })).flatMap((node) => {
            node.scrollIntoView({ block: 'center', behavior: 'instant' });
            const whole = node.closest('label.tick, label.check') ?? node;
            const { left, top, width, height } = node.getBoundingClientRect();
            const hits = (y) => {
                const hit = document.elementFromPoint(left + width / 2, y);
                return hit !== null && (node.contains(hit) || whole === hit || whole.contains(hit));
            };
            const middle = top + height / 2;
            const isHit = whole.offsetHeight >= 40 && [-18, 0, 18].every((by) => hits(middle + by));
            const name = node.getAttribute('aria-label') ?? (node.textContent.trim() || node.className);
            return isHit ? [] : [`${name}: ${Math.round(whole.getBoundingClientRect().height)} px high`];
        });";
    page.run(script, &[])
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "a failing test prints it")]
pub(crate) struct Faint {
    text: String,
    color: String,
    background: String,
    contrast: f64,
}

/// Returns the texts with a contrast to what is behind them of less than 4.5, by the formula of WCAG 2.
pub(crate) fn faint_texts(page: &Page<'_>) -> Vec<Faint> {
    page.run(include_str!("contrast.js"), &[json!(4.5)])
}
