from django.urls import path

from users.rest import views

urlpatterns = [
    path("send_otp/", views.SendOTP.as_view(), name="send_otp"),
    path("auth/", views.Auth.as_view(), name="auth"),
    path("me/", views.Me.as_view(), name="me"),
    path("me/export/", views.Export.as_view(), name="export"),
    path("me/refs/", views.Refs.as_view(), name="refs"),
    path("referal/", views.Referal.as_view(), name="referal"),
    path("token/refresh/", views.RefreshToken.as_view(), name="refresh"),
    path("logout/", views.Logout.as_view(), name="logout"),
    path("<str:user_id>/", views.UserProfile.as_view(), name="user_page"),
]
