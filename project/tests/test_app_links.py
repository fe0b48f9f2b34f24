"""The operator's own apps, told to phones in the words of Apple and Google."""

import pytest
from django.test import Client

APPLE, ANDROID = "/.well-known/apple-app-site-association", "/.well-known/assetlinks.json"
ONE, OTHER = ":".join(["14"] * 32), ":".join(["AB"] * 32)


def test_an_iphone_learns_which_links_are_an_apps(db, settings):
    settings.APP_LINKS_IOS = ["ABCDE12345.com.example.app", "ABCDE12345.com.example.beta"]
    answer = Client().get(APPLE)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert answer["Cache-Control"] == "public, max-age=3600"
    assert answer.json() == {
        "applinks": {
            "details": [
                {
                    "appIDs": ["ABCDE12345.com.example.app", "ABCDE12345.com.example.beta"],
                    "components": [{"/": "/i/*"}],
                }
            ]
        }
    }


def test_android_learns_by_which_certificates_an_app_is_known(db, settings):
    settings.APP_LINKS_ANDROID = {"com.example.app": [ONE, OTHER], "com.example.beta": [ONE]}
    answer = Client().get(ANDROID)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    first, second = answer.json()
    assert first == {
        "relation": ["delegate_permission/common.handle_all_urls"],
        "target": {
            "namespace": "android_app",
            "package_name": "com.example.app",
            "sha256_cert_fingerprints": [ONE, OTHER],
        },
        "relation_extensions": {
            "delegate_permission/common.handle_all_urls": {
                "dynamic_app_link_components": [{"/": "/i/*"}, {"/": "*", "exclude": True}]
            }
        },
    }
    assert second["target"]["package_name"] == "com.example.beta"


@pytest.mark.parametrize("address", [APPLE, ANDROID])
def test_without_apps_there_is_nothing(db, address):
    assert Client().get(address).status_code == 404


@pytest.mark.parametrize("address", [APPLE, ANDROID])
def test_it_is_for_reading_only(db, settings, address):
    settings.APP_LINKS_IOS, settings.APP_LINKS_ANDROID = ["A.b"], {"a.b": [ONE]}
    assert Client().post(address).status_code == 405
