// One operation a tab: a document with a mutation may hold nothing else. `takes` names what a variable takes of the
// answers before, see graphiql.js.
const WITH_TOKEN = { Authorization: "Bearer <the token of verifyCode>" };

window.ZOVI_EXAMPLES = [
  {
    query: `# 1. A one-time code by SMS. A demo shows it as "otp".
mutation RequestCode($phoneNumber: String!) {
  requestCode(phoneNumber: $phoneNumber) {
    phoneNumber
    otp
    challenge
    channel
    expiresIn
    resendIn
  }
}`,
    variables: { phoneNumber: "8 913 674-00-00" },
  },
  {
    query: `# 2. Sign in. The code of the answer before stands in the variables,
# and the token of this one will stand in the headers of the other tabs.
mutation VerifyCode($code: String!, $challenge: String) {
  verifyCode(code: $code, challenge: $challenge) {
    token
    refreshToken
    tokenType
    expiresIn
    isNewUser
    me {
      id
      phoneNumber
      inviteCode
    }
  }
}`,
    variables: { code: "0000" },
    takes: { code: "code", challenge: "challenge" },
  },
  {
    query: `# Your code, the one you came by, and who came by yours.
query Me {
  me { inviteCode activatedInviteCode referrals }
}`,
    headers: WITH_TOKEN,
  },
  {
    query: `# Everybody who entered your code, a page at a time.
# The next page: "after" in the variables is the "endCursor" of this one.
query Referrals($first: Int, $after: String) {
  me {
    referralsCount
    inviteOpened
    referralConnection(first: $first, after: $after) {
      edges {
        cursor
        node {
          phoneNumber
          activatedAt
        }
      }
      pageInfo {
        hasNextPage
        hasPreviousPage
        startCursor
        endCursor
      }
    }
  }
}`,
    variables: { first: 50 },
    headers: WITH_TOKEN,
  },
  {
    query: `# Anybody's profile: numbers are masked unless it is your own.
query User($id: ID!) {
  user(id: $id) {
    phoneNumber
    inviteCode
    activatedInviteCode
    referrals
    referralsCount
    inviteOpened
  }
}`,
    variables: { id: "00000000-0000-4000-8000-000000000000" },
    takes: { id: "user" },
    headers: WITH_TOKEN,
  },
  {
    query: `# Enter the code of whoever invited you: once, for ever. They will see your number.
# Sign in with one number, then with another: the first one's code stands here.
mutation ActivateInvite($inviteCode: String!) {
  activateInvite(inviteCode: $inviteCode) {
    invitedBy
    me {
      activatedInviteCode
    }
  }
}`,
    variables: { inviteCode: "K7WQ2M" },
    takes: { inviteCode: "inviteCode" },
    headers: WITH_TOKEN,
  },
  {
    query: `# The next pair of tokens; the old refresh token is spent.
mutation RefreshToken($refreshToken: String!) {
  refreshToken(refreshToken: $refreshToken) {
    token
    refreshToken
    tokenType
    expiresIn
  }
}`,
    variables: { refreshToken: "<the refreshToken of verifyCode>" },
    takes: { refreshToken: "refreshToken" },
  },
  {
    query: `# Everything we keep about you.
query Export {
  export
}`,
    headers: WITH_TOKEN,
  },
  {
    query: `# Where you are signed in.
query Sessions($first: Int, $after: String) {
  me {
    sessions(first: $first, after: $after) {
      edges {
        node {
          id
          browser
          address
          signedInAt
          lastSeenAt
          current
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
}`,
    variables: { first: 50 },
    headers: WITH_TOKEN,
  },
  {
    query: `# Sign one of your clients out: one that the answer before shows, and not this one.
mutation EndSession($id: ID!) {
  endSession(id: $id) {
    ok
  }
}`,
    variables: { id: "00000000-0000-4000-8000-000000000000" },
    takes: { id: "session" },
    headers: WITH_TOKEN,
  },
  {
    query: `# Change your number. Ask for a code to the new one first.
mutation ChangePhone($code: String!, $challenge: String) {
  changePhone(code: $code, challenge: $challenge) {
    me {
      phoneNumber
    }
  }
}`,
    variables: { code: "0421" },
    takes: { code: "code", challenge: "challenge" },
    headers: WITH_TOKEN,
  },
  {
    query: `mutation Logout {
  logout {
    ok
  }
}`,
    headers: WITH_TOKEN,
  },
  {
    query: `# For good. Ask for a fresh code to your own number first.
mutation DeleteAccount($code: String!, $challenge: String) {
  deleteAccount(code: $code, challenge: $challenge) {
    ok
  }
}`,
    variables: { code: "0421" },
    takes: { code: "code", challenge: "challenge" },
    headers: WITH_TOKEN,
  },
];
