"""Never worse than the best single leg: one TCP flow with LTE slow, lossy, far, in 36 combinations (village); half an hour."""

import itertools
import json
import time

from lab import spillway
from lab.measure import flow, tables
from lab.measure.ping import Pinger
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import HAAP, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
# Rates of LTE in percent, losses in percent, further delays in ms.
RATES, LOSSES, DELAYS = (100, 50, 10, 1), (0, 0.1, 1), (0, 50, 200)
SECONDS, OMIT = 6, 6
# A window that has to grow to several hundred packets at a round trip of half a second takes TCP that long; and so
# does one that has grown beyond what losses allow, on LTE alone.
FAR_OMIT = 16
# What few losses and waits of a quarter of a second decide takes longer to measure: while LTE gives up one packet in
# a hundred of some hundred in six seconds, or when DSL's packets wait at the end for one of LTE's.
LONG = 20
# Of the better leg. Where LTE is lossy chance decides what each gets, the better leg alone as well.
LEAST, LOSSY_LEAST = 0.95, 0.85
# Round trip of DSL without load, and 10 ms.
PING_MS = 30.5
# LTE's rate as the daemons are told it, whatever the link has.
TOLD = Topology.load("village").lte.down.mbit

prepare = spillway.prepare


def run(lab):
    with Topology.load("village") as network:
        told = {host: settings(host, network, colour={"overflow": "queue"}) for host in ("hg", "haap")}
        dsl = flow.tcp("haap", "hg", network.dsl.hg_address, 4, bind=HAAP, omit=2).mbit
        lab.figure("dsl_mbit", dsl)
        rows = []
        for rate, loss, delay in itertools.product(RATES, LOSSES, DELAYS):
            mbit = TOLD * rate / 100
            network.lte.change(up_mbit=mbit, down_mbit=mbit, loss_percent=loss, delay_ms=25 + delay)
            row = cell(lab, network, told, dsl, rate, loss, delay)
            rows.append(row)
            lab.save("cells.json", {"dsl_mbit": dsl, "cells": rows})
            name = f"LTE {rate} %, loss {loss} %, +{delay} ms"
            lab.at_least(f"{name}: share of the better leg", row["share"], LOSSY_LEAST if loss else LEAST)
            lab.at_most(f"{name}: echo beside it, 95 of 100, ms", row["ping_p95_ms"], PING_MS)
            if loss == 0 and delay == 0 and rate >= 10:
                lab.at_least(f"{name}: share of the sum", row["share_of_sum"], 0.92)
        (lab.out / "cells.md").write_text(markdown(rows))


def cell(lab, network, told, dsl, rate, loss, delay) -> dict:
    far = delay >= 200 and rate >= (10 if loss == 0 else 50)
    omit = FAR_OMIT if far else OMIT
    seconds = LONG if delay >= 200 or loss >= 1 else SECONDS
    # A slower or as fast LTE leg cannot be the better one.
    lte = 0.0
    if network.lte.down.mbit > network.dsl.down.mbit:
        lte = flow.tcp("haap", "hg", network.lte.hg_address, seconds, bind=HAAP, omit=omit).mbit
    with Spillway(lab, "haap", told["haap"]) as haap, Spillway(lab, "hg", told["hg"]) as hg:
        hg.wait_for("bonded", is_bonded)
        time.sleep(3)
        beside = Pinger("client", SERVER, int((seconds + omit) * 5))
        got = flow.tcp("client", "server", SERVER, seconds, reverse=True, omit=omit)
        echo = beside.result().rtt_ms
        status = {"hg": hg.status(), "haap": haap.status()}
    better = max(dsl, lte)
    row = {
        "rate": rate, "loss": loss, "delay": delay, "lte_mbit": round(lte, 2), "bond_mbit": round(got.mbit, 2),
        "share": round(got.mbit / better, 3), "share_of_sum": round(got.mbit / network.bond_limit_mbit("down"), 3),
        "ping_ms": echo["p50"], "ping_p95_ms": echo["p95"], "retransmits": got.retransmits,
    }
    lab.say(json.dumps(row))
    bond = status["hg"]["bond"]
    row["each_half_second"] = [round(mbit, 1) for _, mbit in got.intervals]
    row["haap"] = status["haap"]["bonds"][0]["lte"]
    row["hg"] = {"distribution": bond["distribution"], "resequencer": bond["resequencer"]}
    return row


def markdown(rows) -> str:
    """A table with a line for each rate and loss, a column for each delay."""
    found = {(row["rate"], row["loss"], row["delay"]): row for row in rows}
    delays = sorted({row["delay"] for row in rows})
    lines = []
    for rate, loss in dict.fromkeys((row["rate"], row["loss"]) for row in rows):
        shares = [found.get((rate, loss, delay)) for delay in delays]
        lines.append([f"{rate} %", f"{loss} %", *(f"{row['share']:.2f}" if row else "" for row in shares)])
    return tables.table(["LTE rate", "loss", *(f"+{delay} ms" for delay in delays)], lines) + "\n"
