"""PlanDocket's call in Python, as its page has it: base address and key are the arguments."""

import sys

import requests

base_url, api_key = sys.argv[1:]
headers = {
    "Authorization": f"Bearer {api_key}",
    "Content-Type": "application/json",
}
response = requests.get(f"{base_url}/api/v1/audit-log", headers=headers)
data = response.json()
print(data)
