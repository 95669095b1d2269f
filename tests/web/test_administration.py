"""Groups, admin keys, spend alerts, retention and the policy for personal data in the console."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Locator, expect

from tests.web.console import Console


def go(console: Console, name: str) -> None:
    console.page.get_by_role("link", name=name, exact=True).click()


def region(console: Console, name: str) -> Locator:
    return console.page.locator(f"section[aria-label='{name}']")


def do(console: Console, row: Locator, item: str) -> None:
    """Choose what a row's menu offers, and confirm it."""
    row.get_by_role("button").click()
    console.page.get_by_role("menuitem", name=item).click()
    console.page.get_by_role("alertdialog").get_by_role("button").last.click()


def project_of(console: Console) -> str:
    [project] = console.api("GET", "organization/projects")["data"]
    return f"organization/projects/{project['id']}"


def test_a_group_is_made_filled_let_into_a_project_and_put_out(console: Console) -> None:
    page = console.open().page
    invited = console.api("POST", "organization/invites", {"email": "eve@example.com", "role": "reader"})
    console.api("POST", "organization/invites/accept", {"name": "Eve"}, key=invited["token"])
    go(console, "Organization")
    console.button("New group").click()
    page.get_by_role("textbox", name="Name").fill("Finance")
    console.button("Save").click()
    expect(page.get_by_role("heading", name="Finance", level=1)).to_be_visible()
    [group] = console.api("GET", "organization/groups")["data"]
    expect(page.get_by_text(f"group:{group['id']}")).to_be_visible()
    console.button("Add to group").click()
    page.get_by_role("dialog").get_by_role("button", name="Add to group").click()
    expect(region(console, "People in the group").get_by_role("row", name="eve@example.com")).to_be_visible()
    go(console, "Projects and keys")
    page.get_by_role("link", name="default").click()
    console.button("Let a group in").click()
    page.get_by_role("dialog").get_by_role("button", name="Let a group in").click()
    row = region(console, "Groups with access").get_by_role("row", name="Finance")
    expect(row).to_be_visible()
    assert [each["group_id"] for each in console.api("GET", f"{project_of(console)}/groups")["data"]] == [group["id"]]
    do(console, row, "Take access away")
    expect(page.get_by_text("No group has access to this project.")).to_be_visible()
    go(console, "Organization")
    page.get_by_role("link", name="Finance").click()
    do(
        console,
        region(console, "People in the group").get_by_role("row", name="eve@example.com"),
        "Take out of the group",
    )
    expect(page.get_by_text("Nobody is in this group yet.")).to_be_visible()
    go(console, "Organization")
    do(console, region(console, "Groups").get_by_role("row", name="Finance"), "Delete")
    expect(page.get_by_text("No groups yet.")).to_be_visible()


def test_an_admin_key_is_shown_once_and_revoked(console: Console) -> None:
    page = console.open().page
    go(console, "Organization")
    console.button("New admin key").click()
    form = page.get_by_role("dialog", name="New admin key")
    form.get_by_role("textbox", name="Name").fill("terraform")
    form.locator("[name=expiry]").select_option("90")
    form.get_by_role("button", name="New admin key").click()
    secret = page.locator("dialog input[readonly]").input_value()
    page.get_by_role("button", name="Done").click()
    row = region(console, "Admin keys").get_by_role("row", name="terraform")
    expect(row).to_be_visible()
    assert secret not in page.content()
    assert console.api("GET", "organization/projects", key=secret)["data"]
    do(console, row, "Revoke")
    expect(row).to_have_count(0)
    refused = httpx.get(f"{console.address}v1/organization/projects", headers={"authorization": f"Bearer {secret}"})
    assert refused.status_code == 401


@pytest.mark.parametrize("of_project", [False, True])
def test_a_spend_alert_is_set_and_deleted(console: Console, of_project: bool) -> None:
    page = console.open().page
    go(console, "Projects and keys" if of_project else "Organization")
    if of_project:
        page.get_by_role("link", name="default").click()
    console.button("New alert").click()
    form = page.get_by_role("dialog")
    form.get_by_label("From US dollars a month").fill("12.5")
    form.get_by_label("Who should know").fill("eve@example.com, bob@example.com")
    form.get_by_role("button", name="New alert").click()
    row = region(console, "Spend alerts").get_by_role("row", name="$12.50")
    expect(row).to_contain_text("Not yet")
    path = f"{project_of(console) if of_project else 'organization'}/spend_alerts"
    [alert] = console.api("GET", path)["data"]
    recipients = alert["notification_channel"]["recipients"]
    assert (alert["threshold_amount"], recipients) == (1250, ["eve@example.com", "bob@example.com"])
    do(console, row, "Delete")
    expect(region(console, "Spend alerts").get_by_text("No alerts.")).to_be_visible()
    assert console.api("GET", path)["data"] == []


def test_what_is_kept_is_chosen_for_all_and_for_a_project(console: Console) -> None:
    page = console.open().page
    go(console, "Organization")
    kept = page.get_by_label("What is kept")
    expect(page.get_by_text("No content is ever written.")).to_be_hidden()
    kept.select_option("zero_data_retention")
    expect(page.locator("#toasts")).to_have_text("Saved")
    expect(page.get_by_text("No content is ever written.")).to_be_visible()
    assert console.api("GET", "organization/data_retention")["type"] == "zero_data_retention"
    go(console, "Projects and keys")
    page.get_by_role("link", name="default").click()
    expect(kept).to_have_value("organization_default")
    kept.select_option("none")
    expect(page.get_by_text("No content is ever written.")).to_be_hidden()
    page.reload()
    expect(kept).to_have_value("none")
    assert console.api("GET", f"{project_of(console)}/data_retention")["type"] == "none"


def test_personal_data_has_a_policy_type_by_type(console: Console) -> None:
    page = console.open().page
    go(console, "Projects and keys")
    page.get_by_role("link", name="default").click()
    mode = page.get_by_label("Personal data is")
    expect(page.get_by_text("These are the server’s settings.")).to_be_visible()
    mode.select_option("mask")
    expect(page.get_by_text("These are the server’s settings.")).to_be_hidden()
    page.get_by_text("Type by type").first.click()
    number, url = page.get_by_label("My Number (Japan): is"), page.get_by_label("Web addresses: is")
    number.select_option("block")
    expect(number).to_have_value("block")
    url.select_option("off")
    expect(url).to_have_value("off")
    expect(number).to_have_value("block")
    with page.expect_response(lambda answer: '"restore":false' in (answer.request.post_data or "")):
        page.get_by_label("In answers").select_option("false")
    page.reload()
    expect(mode).to_have_value("mask")
    path = f"{project_of(console)}/privacy"
    policy = console.api("GET", path)
    actions = [policy["entities"][name]["action"] for name in ("PERSON", "MY_NUMBER", "URL")]
    assert (policy["mode"], policy["restore"], actions) == ("mask", False, ["mask", "block", "off"])
    mode.select_option("block")
    page.get_by_text("Type by type").first.click()
    expect(page.get_by_label("Names of people: is")).to_have_value("block")
    expect(url).to_have_value("off")
    console.button("Use the server’s settings").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Use the server’s settings").click()
    expect(page.get_by_text("These are the server’s settings.")).to_be_visible()
    assert console.api("GET", path)["is_default"]


@pytest.mark.parametrize("options", [{"locale": "ja-JP"}])
def test_it_is_all_there_in_japanese(console: Console) -> None:
    console.open()
    for name in ("組織", "プロジェクトとキー"):
        go(console, name)
        expect(console.page.locator("#place table").first).to_be_visible()
    console.page.get_by_role("link", name="default").click()
    for name in ("利用できるグループ", "費用の通知", "データの保存", "個人情報"):
        expect(region(console, name)).to_be_visible()
    console.page.get_by_text("種類ごとの扱い").first.click()
    expect(console.page.get_by_label("マイナンバーの扱い")).to_be_visible()
