"""Where the pages live."""

from django.urls import path
from django.views.i18n import set_language

from users.pages import account, brand, inbox, invitations, phone_number, profile, sign_in

urlpatterns = [
    path("", sign_in.Start.as_view(), name="home"),
    path("send-code/", sign_in.SendCode.as_view(), name="page_send_code"),
    path("verify-code/", sign_in.VerifyCode.as_view(), name="page_verify_code"),
    path("resend-code/", sign_in.ResendCode.as_view(), name="page_resend_code"),
    path("profile/", profile.Profile.as_view(), name="profile"),
    path("profile/sessions/", profile.EndSession.as_view(), name="page_end_session"),
    path("profile/phone/", phone_number.ChangePhone.as_view(), name="page_change_phone"),
    path("profile/phone/code/", phone_number.ConfirmPhone.as_view(), name="page_confirm_phone"),
    path("profile/phone/resend/", phone_number.ResendToNewPhone.as_view(), name="page_resend_to_new_phone"),
    path("profile/phone/sign-in/", phone_number.SignInAgain.as_view(), name="page_sign_in_again"),
    path("profile/export/", account.Export.as_view(), name="page_export"),
    path("profile/delete/", account.DeleteAccount.as_view(), name="page_delete_account"),
    path("profile/delete/code/", account.SendConfirmation.as_view(), name="page_confirm_deletion"),
    path("logout/", sign_in.Logout.as_view(), name="page_logout"),
    path("i/<str:code>/", invitations.Invite.as_view(), name="invite"),
    path("i/<str:code>/card.png", invitations.card, name="invite_card"),
    path("i/<path:code>", invitations.Invite.as_view()),
    path("brand/<str:version>/<str:name>", brand.file, name="brand"),
    path("dev/inbox/", inbox.inbox, name="inbox"),
    path("language/", set_language, name="set_language"),
]
