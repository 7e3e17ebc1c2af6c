#!/usr/bin/env python3
"""A cxrd client in a page: predict.py URL IMAGE

Nothing but Python's own library. The key, where the server asks for one, comes from the environment: CXRD_KEY.
Exit status: 0 answered, 1 refused or broken, 75 "try again later" (the server said so more than three times).
"""
import json
import os
import sys
import time
import urllib.error
import urllib.request


def predict(url, picture):
    """The reply of POST /predict as a dictionary; waits and asks again where the server is busy (429, 503)."""
    headers = {'Content-Type': 'application/octet-stream'}  # PNG, JPEG or DICOM: the server looks at the bytes
    if os.environ.get('CXRD_KEY'):
        headers['Authorization'] = f'Bearer {os.environ["CXRD_KEY"]}'
    for attempt in range(4):
        request = urllib.request.Request(f'{url}/predict', data=picture, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            problem = json.load(error)  # application/problem+json
            if error.code not in (429, 503):
                raise ValueError(f'{error.code}: {problem["detail"]} (request {problem["request_id"]})') from error
            if attempt < 3:
                time.sleep(int(error.headers.get('Retry-After', 1)))
    raise TimeoutError(problem['detail'])


def main():
    url, path = sys.argv[1:]
    with open(path, 'rb') as file:
        picture = file.read()
    try:
        answer = predict(url.rstrip('/'), picture)
    except (ValueError, urllib.error.URLError) as error:
        print(error, file=sys.stderr)
        return 1
    except TimeoutError as error:
        print(error, file=sys.stderr)
        return 75
    print(f'model {answer["model"]["id"]}, {answer["timing_ms"]["total"]:.1f} ms')
    for warning in answer['warnings']:
        print(f'warning: {warning["detail"]}')
    for finding in answer['findings']:
        above = {True: ' above its threshold', False: '', None: ''}[finding['positive']]
        print(f'{finding["label"]:20} {finding["probability"]:.9f}{above}')
    print(answer['intended_use'])
    return 0


if __name__ == '__main__':
    sys.exit(main())
