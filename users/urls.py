from django.urls import path

from users import api

urlpatterns = [
    path("send_otp/", api.SendOTP.as_view(), name="send_otp"),
    path("auth/", api.Auth.as_view(), name="auth"),
    path("me/", api.Me.as_view(), name="me"),
    path("me/export/", api.Export.as_view(), name="export"),
    path("me/refs/", api.Refs.as_view(), name="refs"),
    path("referal/", api.Referal.as_view(), name="referal"),
    path("token/refresh/", api.RefreshToken.as_view(), name="refresh"),
    path("logout/", api.Logout.as_view(), name="logout"),
    path("<str:user_id>/", api.UserPage.as_view(), name="user_page"),
]
