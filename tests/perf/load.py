#!/usr/bin/env python3
"""Asks a running server for its pages at a steady rate, whether it keeps up or not, and says how long each page took.

    countersign serve                      # prints a link for the first administrator; or: countersign login, also as an auditor
    tests/perf/load.py LINK [--rate 50] [--seconds 30] [--pages /runs,/findings] [--limit 200]

Open loop: requests begin when they are due, not when the one before has ended, and time counts from when they were due. So a server
that stalls is charged with everybody who would have come meanwhile. Pages are counted as they come, uncompressed. It ends with 1 where a page's p99 is over the limit (milliseconds), or
an answer is none. Standard library only.
"""
import argparse
import http.client
import queue
import re
import sys
import threading
import time
import urllib.parse

PAGES = [
    "/", "/approvals", "/frameworks", "/controls", "/runs", "/runs?outcome=pending", "/findings", "/findings?state=all",
    "/findings?late=true", "/findings?severity=low", "/deployments", "/waivers", "/environments", "/runbook", "/ledger",
    "/ledger?kind=RunStarted", "/ledger/5", "/access", "/audits", "/controls/dual-approval/population",
    "/controls/secrets-out-of-source/population",
]
# Of these lists the first that is linked is asked for as well.
LISTS = ["/runs", "/controls", "/frameworks", "/environments", "/findings", "/waivers", "/approvals"]


def ask(host, method, path, cookie=None, body=None):
    connection = http.client.HTTPConnection(host, timeout=60)
    headers = {"Host": host}
    if cookie:
        headers["Cookie"] = cookie
    if body is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        headers["Origin"] = f"http://{host}"
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer, text


def sign_in(link):
    where = urllib.parse.urlsplit(link)
    _, page = ask(where.netloc, "GET", f"{where.path}?{where.query}")
    token = re.search(rb'name="token" value="([^"]+)"', page)
    if not token:
        sys.exit("the link is none, or was used")
    answer, _ = ask(where.netloc, "POST", "/sign-in/link", None, "token=" + token.group(1).decode())
    return where.netloc, answer.headers["Set-Cookie"].split(";")[0]


def first_of(host, cookie, page):
    _, text = ask(host, "GET", page, cookie)
    found = re.search(rb'href="(' + re.escape(page.encode()) + rb'/[^"/?]+)"', text)
    return [found.group(1).decode()] if found else []


def percentile(times, part):
    return times[min(len(times) - 1, int(len(times) * part))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("link", help="a link that signs in, as `countersign login` prints it")
    parser.add_argument("--rate", type=float, default=50, help="requests a second")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--pages", help="these, and no others")
    parser.add_argument("--limit", type=float, default=200, help="milliseconds that p99 may be")
    parser.add_argument("--alone", action="store_true", help="one request at a time: what each page takes by itself")
    asked = parser.parse_args()
    host, cookie = sign_in(asked.link)
    if asked.pages:
        pages = asked.pages.split(",")
    else:
        pages = PAGES + [one for page in LISTS for one in first_of(host, cookie, page)]
    took = {page: [] for page in pages}
    size = {}
    wrong = {}
    lock = threading.Lock()

    def one(page, due):
        answer, text = ask(host, "GET", page, cookie)
        ms = (time.monotonic() - due) * 1000
        with lock:
            took[page].append(ms)
            size[page] = max(size.get(page, 0), len(text))
            if answer.status != 200:
                wrong.setdefault(page, answer.status)

    if asked.alone:
        end = time.monotonic() + asked.seconds
        n = 0
        while time.monotonic() < end:
            one(pages[n % len(pages)], time.monotonic())
            n += 1
    else:
        jobs = queue.Queue()

        def work():
            while True:
                job = jobs.get()
                if job is None:
                    return
                try:
                    one(*job)
                except OSError as e:
                    with lock:
                        wrong.setdefault(job[0], str(e))

        workers = [threading.Thread(target=work, daemon=True) for _ in range(128)]
        for worker in workers:
            worker.start()
        begun = time.monotonic()
        for n in range(int(asked.rate * asked.seconds)):
            due = begun + n / asked.rate
            time.sleep(max(0, due - time.monotonic()))
            jobs.put((pages[n % len(pages)], due))
        for _ in workers:
            jobs.put(None)
        for worker in workers:
            worker.join()

    print(f"{'page':<32} {'n':>5} {'p50':>8} {'p99':>8} {'most':>8} ms {'page':>6} kB")
    slow = False
    for page, times in sorted(took.items(), key=lambda item: -max(item[1], default=0)):
        times.sort()
        if not times:
            continue
        p99 = percentile(times, 0.99)
        slow |= p99 > asked.limit
        mark = " over" if p99 > asked.limit else ""
        fault = f" {wrong[page]}" if page in wrong else ""
        print(f"{page:<32} {len(times):>5} {percentile(times, 0.5):>8.1f} {p99:>8.1f} {times[-1]:>8.1f}    {size[page] / 1000:>6.1f}{mark}{fault}")
    sys.exit(1 if slow or wrong else 0)


main()
