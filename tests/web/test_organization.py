"""Projects, keys, people, limits, usage and the audit log in the console, and what other keys see of them."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import expect

from tests.fakes.engine import KEY
from tests.web.console import Console


def go(console: Console, name: str) -> None:
    console.page.get_by_role("link", name=name, exact=True).click()


def secret_of(console: Console) -> str:
    """The secret that a dialog shows once; closes it."""
    dialog = console.page.get_by_role("dialog")
    secret = dialog.locator("input[readonly]").input_value()
    dialog.get_by_role("button", name="Done").click()
    expect(console.page.locator("dialog input[readonly]")).to_have_count(0)
    assert secret not in console.page.content()
    return secret


def test_a_project_gets_keys_that_are_shown_once_rotated_and_revoked(console: Console) -> None:
    page = console.open().page
    go(console, "Projects and keys")
    console.button("New project").click()
    page.get_by_role("textbox", name="Name").fill("Nightly")
    console.button("Save").click()
    expect(page.get_by_role("heading", name="Nightly", level=1)).to_be_visible()
    console.button("New key").click()
    form = page.get_by_role("dialog", name="New key")
    form.get_by_role("textbox", name="Name").fill("worker")
    form.locator("[name=access]").select_option("some")
    form.locator("[name=scopes]").select_option(["api.files.read", "api.model.read"])
    form.locator("[name=expiry]").select_option("30")
    form.get_by_role("button", name="New key").click()
    secret = secret_of(console)
    assert console.api("GET", "files", key=secret)["data"] == []
    row = page.get_by_role("row", name="worker")
    expect(row).to_contain_text("files.read")
    row.get_by_role("button").click()
    page.get_by_role("menuitem", name="Rotate").click()
    page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
    assert secret_of(console) != secret
    expect(row).to_have_count(2)
    row.first.get_by_role("button").click()
    page.get_by_role("menuitem", name="Revoke").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Revoke").click()
    expect(row).to_have_count(1)


def test_a_program_gets_an_account_a_limit_and_a_budget(console: Console) -> None:
    page = console.open().page
    go(console, "Projects and keys")
    page.get_by_role("link", name="default").click()
    console.button("New service account").click()
    form = page.get_by_role("dialog")
    form.get_by_role("textbox", name="Name").fill("indexer")
    form.get_by_role("button", name="New service account").click()
    assert console.api("GET", "models", key=secret_of(console))["data"]
    expect(page.get_by_role("region", name="Service accounts").get_by_role("row", name="indexer")).to_be_visible()
    limit = page.get_by_label("Requests a minute, All models together")
    limit.fill("60")
    limit.press("Enter")
    expect(page.locator("#toasts")).to_have_text("Saved")
    budget = page.get_by_label("US dollars a month")
    budget.fill("12.5")
    budget.press("Tab")
    [project] = console.api("GET", "organization/projects")["data"]
    path = f"organization/projects/{project['id']}"
    expect(page.locator("#toasts .toast")).to_have_count(1)
    page.reload()
    expect(limit).to_have_value("60")
    expect(budget).to_have_value("12.5")
    assert console.api("GET", f"{path}/spend_limit")["threshold_amount"] == 1250
    limit.fill("")
    limit.press("Enter")
    expect(page.locator("#toasts")).to_have_text("Saved")
    page.reload()
    expect(limit).to_have_value("")


def test_people_are_invited_with_a_token_and_get_roles(console: Console) -> None:
    page = console.open().page
    go(console, "Organization")
    console.button("Invite").click()
    form = page.get_by_role("dialog")
    form.get_by_label("E-mail").fill("eve@example.com")
    form.get_by_role("button", name="Invite").click()
    token = secret_of(console)
    invitations = page.get_by_role("region", name="Invitations").first
    expect(invitations.get_by_role("row", name="eve@example.com")).to_contain_text("Pending")
    console.api("POST", "organization/invites/accept", {"name": "Eve"}, key=token)
    page.reload()
    expect(invitations.get_by_role("row", name="eve@example.com")).to_contain_text("Accepted")
    go(console, "Projects and keys")
    page.get_by_role("link", name="default").click()
    role = page.get_by_label("Role of eve@example.com")
    expect(role).to_have_value("member")
    role.select_option("viewer")
    page.reload()
    expect(role).to_have_value("viewer")
    page.get_by_role("region", name="Members").first.get_by_role("button", name="Actions for “eve@example.com”").click()
    page.get_by_role("menuitem", name="Remove from project").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Remove from project").click()
    expect(page.get_by_text("Nobody is a member of this project by themselves.")).to_be_visible()


def test_usage_is_drawn_and_written_down(console: Console) -> None:
    console.open()
    console.ask("Hi")
    go(console, "Usage and costs")
    page = console.page
    expect(page.get_by_role("img", name="Tokens")).to_be_visible()
    expect(page.locator(".chart rect")).to_have_count(1)
    expect(page.locator(".chart rect title")).to_contain_text("fake")
    page.get_by_text("As a table").first.click()
    today = page.get_by_role("row").filter(has_text="fake")
    expect(today).to_contain_text("6")  # "Hello!", a token a byte
    page.locator("#place select").last.select_option(label="default")
    expect(page.locator(".chart rect")).to_have_count(1)


def test_the_audit_log_is_filtered_and_goes_on(console: Console) -> None:
    console.open()
    path = f"organization/projects/{console.api('POST', 'organization/projects', {'name': 'A'})['id']}"
    for number in range(50):
        console.api("POST", path, {"name": f"A {number}"})
    console.api("POST", f"{path}/service_accounts", {"name": "indexer"})
    go(console, "Audit log")
    rows = console.page.locator("tbody tr")
    expect(rows).to_have_count(50)
    expect(rows.first).to_contain_text("api_key.created")
    console.button("Show more").click()
    expect(rows).to_have_count(53)
    console.page.get_by_label("Event").fill("service_account.created")
    console.page.get_by_label("Event").press("Enter")
    expect(rows).to_have_count(1)
    rows.locator("summary").click()
    expect(rows.locator("pre")).to_contain_text("svc_acct_")
    console.page.get_by_label("From").fill(time.strftime("%Y-%m-%d", time.localtime(time.time() + 2 * 86400)))
    expect(console.page.get_by_text("Nothing found.")).to_be_visible()


def test_a_key_of_a_project_sees_no_places_of_admins_and_is_told_why(console: Console) -> None:
    [project] = console.open().api("GET", "organization/projects")["data"]
    secret = console.api("POST", f"organization/projects/{project['id']}/api_keys", {"name": "w"})["value"]
    console.page.evaluate("sessionStorage.clear()")
    console.page.reload()
    console.enter_key(secret)
    expect(console.page.locator("#key-dialog")).to_be_hidden()
    expect(console.page.get_by_role("link", name="Documents", exact=True)).to_be_visible()
    expect(console.page.get_by_role("link", name="Audit log")).to_have_count(0)
    console.page.evaluate("location.hash = '#audit'")
    alert = console.page.get_by_role("alert")
    expect(alert).to_contain_text("api.audit_logs.read")
    expect(alert).to_contain_text("This API key does not open this.")


def test_a_key_that_only_manages_opens_the_console(console: Console) -> None:
    secret = console.open().api("POST", "organization/admin_api_keys", {"name": "boss"})["value"]
    console.page.evaluate("sessionStorage.clear()")
    console.page.reload()
    console.enter_key(secret)
    expect(console.page.locator("#key-dialog")).to_be_hidden()
    go(console, "Projects and keys")
    expect(console.page.get_by_role("link", name="default")).to_be_visible()
    go(console, "Documents")
    expect(console.page.get_by_role("alert")).to_contain_text("This API key does not open this.")


@pytest.mark.parametrize("place", ["documents", "audit"])
def test_a_key_that_was_revoked_is_asked_for_again_and_the_place_opens(console: Console, place: str) -> None:
    console.open().page.evaluate("sessionStorage.setItem('owngpt.key', 'sk-own-gone')")
    console.page.evaluate(f"location.hash = '#{place}'")
    expect(console.page.locator("#key-problem")).to_contain_text("Incorrect API key")
    console.enter_key(KEY)
    expect(console.page.locator("#key-dialog")).to_be_hidden()
    expect(console.page.locator("#place .section, #place table").first).to_be_visible()
    expect(console.page.get_by_role("alert")).to_have_count(0)
