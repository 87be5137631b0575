"""Hosts that serve advertisements and measure visitors, and nothing that a page is read for.

Our own short list of those seen most, each standing for its subdomains. Used by blocking.py.
"""

from __future__ import annotations

_LISTED = """
    2mdn.net adform.net adition.com adnxs.com adroll.com adsafeprotected.com adsrvr.org
    adservice.google.com amazon-adsystem.com amplitude.com app-measurement.com appsflyer.com
    bat.bing.com bidswitch.net bluekai.com branch.io casalemedia.com chartbeat.com chartbeat.net
    clarity.ms contextweb.com crazyegg.com criteo.com criteo.net crwdcntrl.net demdex.net
    doubleclick.net doubleverify.com everesttech.net exelator.com facebook.net flashtalking.com
    fullstory.com google-analytics.com googleadservices.com googlesyndication.com
    googletagmanager.com googletagservices.com heapanalytics.com hotjar.com hotjar.io
    id5-sync.com imrworldwide.com indexww.com inmobi.com krxd.net liadm.com lijit.com
    mathtag.com media.net mixpanel.com moatads.com mookie1.com mouseflow.com newrelic.com
    nr-data.net omtrdc.net openx.net optimizely.com outbrain.com permutive.com piano.io
    pubmatic.com quantcast.com quantserve.com rlcdn.com rubiconproject.com scorecardresearch.com
    segment.com segment.io serving-sys.com sharethis.com sharethrough.com simpli.fi smaato.net
    smartadserver.com snap.licdn.com sonobi.com spotxchange.com static.ads-twitter.com
    taboola.com tapad.com teads.tv tiqcdn.com tribalfusion.com turn.com xiti.com
    yieldmo.com zemanta.com zedo.com
"""
ADVERTISERS = frozenset(_LISTED.split())
