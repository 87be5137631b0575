"""Banners that ask for consent, answered with the least that they offer (`consent_header`).

Called by rendering.py once the page has loaded.
"""

from __future__ import annotations

from playwright.async_api import Error

from windlass.drivers.browser.stage import Stage, is_gone

_ASKING_S = 3.0

# Refusals first: what is asked for is to be rid of the banner, not to agree.
_ANSWER = """() => {
  const known = ['#onetrust-reject-all-handler', '#CybotCookiebotDialogBodyButtonDecline',
    '#didomi-notice-disagree-button', '.qc-cmp2-summary-buttons button[mode="secondary"]',
    '#truste-consent-required', '.cc-deny', '.cky-btn-reject', '#hs-eu-decline-button',
    '.osano-cm-denyAll', '[data-testid="uc-deny-all-button"]', '#cookiescript_reject',
    '#onetrust-accept-btn-handler', '#CybotCookiebotDialogBodyLevelButtonLevelOptinAllowAll',
    '#didomi-notice-agree-button', '#truste-consent-button', '.cc-allow', '.cc-dismiss',
    '.cky-btn-accept', '#hs-eu-confirmation-button', '.osano-cm-acceptAll'];
  const seen = e => {
    const box = e.getBoundingClientRect();
    return box.width > 0 && box.height > 0;
  };
  for (const one of known) {
    const button = document.querySelector(one);
    if (button && seen(button)) { button.click(); return true; }
  }
  const banner = /cookie|consent|gdpr|ccpa|privacy/i;
  const named = e => [e.id, e.getAttribute('class'), e.getAttribute('aria-label')].join(' ');
  const boxes = [...document.querySelectorAll('[id],[class],[aria-label],dialog')]
    .filter(e => banner.test(named(e)) && seen(e));
  const any = list => new RegExp(`^(${list.join('|')})( all| cookies| all cookies)?$`, 'i');
  const words = [
    any(['reject', 'decline', 'deny', 'refuse', '(only )?(necessary|essential|required)( only)?',
      '(alle )?ablehnen', 'nur (notwendige|essenzielle).*', '(tout )?refuser', 'rechazar( todo)?',
      'rifiuta( tutto)?', '(alles )?weigeren']),
    any(['accept', 'agree', 'allow', 'i (agree|accept)', 'got it', 'ok', 'okay',
      '(alle )?akzeptieren', 'zustimmen', '(tout )?accepter', 'aceptar( todo)?',
      'accetta( tutto)?', '(alles )?accepteren']),
  ];
  for (const wanted of words) {
    for (const box of boxes.slice(0, 200)) {
      for (const button of box.querySelectorAll('button,[role=button],input[type=button],a')) {
        const says = (button.innerText || button.value || '').trim();
        if (says.length < 40 && wanted.test(says) && seen(button)) { button.click(); return true; }
      }
    }
  }
  return false;
}"""


async def answer_consent(stage: Stage) -> bool:
    """Whether there was a banner to answer. A page that does not let us ask has none."""
    try:
        return bool(await stage.within(stage.page.evaluate(_ANSWER), _ASKING_S))
    except TimeoutError:
        return False
    except Error as error:
        if is_gone(error):
            raise
        return False
