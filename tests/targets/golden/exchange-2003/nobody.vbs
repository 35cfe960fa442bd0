' Arrowslit: policy.toml, virtual server default, for Exchange 2000 and 2003
' apply: cscript //nologo FILE /server:NAME /dc:NAME shows what it would do; then the same with /apply
'        /instance:2 for another virtual server than the first; keep the file that it writes, for /undo
' check: the same without /apply; or the tab Access of the SMTP virtual server
' undo:  the same with /undo instead of /apply, with the file that /apply wrote
' gap:   ipv6-entry: The target takes IPv4 addresses only: IPv6 clients that are listed are kept out. Waived: a test
'        default/delivery/all_except_listed
' note:  nobody may connect: this refuses the mail of every client but this machine itself
' note:  needs ExIPSec.dll (article 810913 for Exchange 2000; SMTP IP Restriction tool for Exchange 2003)
' note:  by hand, in Access, Relay: whether all who sign in may relay; and look at connectors that allow relaying
' note:  other Exchange servers come in by the same list: they must be on it
' note:  Active Directory hands it on to the service within some minutes
' note:  both lists are replaced as a whole, with their domain names
' note:  written from the documentation, and not tried on such a server

Option Explicit
Dim Server, Instance, Controller, StateFile, Files
Dim Restrict, Mode, Connects, Relays, ForAuth
Set Files = CreateObject("Scripting.FileSystemObject")
Server = Argument("server", "")
Instance = Argument("instance", "1")
Controller = Argument("dc", "")
StateFile = Argument("state", "arrowslit-smtp-" & Server & "-" & Instance & ".txt")

Restrict = True
Mode = "0"
ForAuth = ""
' this machine itself
Connect "127.0.0.1", "255.255.255.255"
' nobody may relay by address: no client has this one
Relay "255.255.255.255", "255.255.255.255"

Main

Function OpenList(which)
    Dim found
    If Controller = "" Then
        Fail "give a domain controller with /dc:NAME"
    End If
    Set found = CreateObject("ExIpSec.ExIpSecurity")
    found.BindToSmtpVsi Server, Instance, Controller
    If which = "connect" Then
        found.GetIpSecurityList
    Else
        found.GetRelayIpList
    End If
    Set OpenList = found
End Function

Sub SaveList(which, list)
    list.WriteList
    list.ReleaseBinding
End Sub

Function GetForAuth()
    GetForAuth = ""
End Function

Sub SetForAuth(value)
End Sub

Function Argument(name, otherwise)
    Argument = otherwise
    If WScript.Arguments.Named.Exists(name) Then
        Argument = WScript.Arguments.Named.Item(name)
    End If
End Function

Sub Fail(text)
    WScript.Echo "stopped: " & text
    WScript.Quit 1
End Sub

Sub Connect(address, mask)
    Connects = Joined(Connects, address & "," & mask)
End Sub

Sub Relay(address, mask)
    Relays = Joined(Relays, address & "," & mask)
End Sub

Function Joined(text, more)
    Joined = more
    If text <> "" Then
        Joined = text & ";" & more
    End If
End Function

Function TextOf(values)
    Dim value, text
    text = ""
    If IsArray(values) Then
        For Each value In values
            If Trim(value) <> "" Then
                text = Joined(text, Replace(value, " ", ""))
            End If
        Next
    End If
    TextOf = text
End Function

Function ReadList(which)
    Dim list
    Set list = OpenList(which)
    If list.GrantByDefault Then
        ReadList = "1|" & TextOf(list.IPDeny) & "|" & TextOf(list.DomainDeny)
    Else
        ReadList = "0|" & TextOf(list.IPGrant) & "|" & TextOf(list.DomainGrant)
    End If
End Function

Function Entries(text)
    Entries = Split(Replace(text, ",", ", "), ";")
End Function

Sub WriteList(which, text)
    Dim list, parts
    parts = Split(text, "|")
    Set list = OpenList(which)
    If parts(0) = "1" Then
        list.GrantByDefault = True
        list.IPDeny = Entries(parts(1))
        If parts(2) <> "" Or TextOf(list.DomainDeny) <> "" Then
            list.DomainDeny = Split(parts(2), ";")
        End If
    Else
        list.GrantByDefault = False
        list.IPGrant = Entries(parts(1))
        If parts(2) <> "" Or TextOf(list.DomainGrant) <> "" Then
            list.DomainGrant = Split(parts(2), ";")
        End If
    End If
    SaveList which, list
    If Not Same(ReadList(which), text) Then
        Fail which & ": the list does not read as it was written; look at it in the console"
    End If
End Sub

Function Same(one, other)
    Dim ones, others, number
    ones = Split(one, "|")
    others = Split(other, "|")
    Same = (ones(0) = others(0))
    For Each number In Array(1, 2)
        If Not Within(ones(number), others(number)) Or Not Within(others(number), ones(number)) Then
            Same = False
        End If
    Next
End Function

Function Within(some, all)
    Dim there, value
    Set there = CreateObject("Scripting.Dictionary")
    For Each value In Split(LCase(all), ";")
        there.Item(value) = True
    Next
    Within = True
    For Each value In Split(LCase(some), ";")
        If Not there.Exists(value) Then
            Within = False
        End If
    Next
End Function

Function LoadState()
    Dim file, line, found
    Set found = CreateObject("Scripting.Dictionary")
    If Files.FileExists(StateFile) Then
        Set file = Files.OpenTextFile(StateFile, 1)
        Do Until file.AtEndOfStream
            line = file.ReadLine
            If InStr(line, "=") > 0 Then
                found.Item(Left(line, InStr(line, "=") - 1)) = Mid(line, InStr(line, "=") + 1)
            End If
        Loop
        file.Close
    End If
    Set LoadState = found
End Function

Sub SaveState(state)
    Dim file, name
    Set file = Files.CreateTextFile(StateFile, True)
    For Each name In state.Keys
        file.WriteLine name & "=" & state.Item(name)
    Next
    file.Close
End Sub

Sub CheckKnown(state, which)
    Dim current
    If Not state.Exists(which & "-before") Then
        Exit Sub
    End If
    current = ReadList(which)
    If Not Same(current, state.Item(which & "-before")) Then
        If Not Same(current, state.Item(which & "-left")) And Not Same(current, state.Item(which & "-was")) Then
            Fail "the list " & which & " was changed by somebody else since " & StateFile & " was written"
        End If
    End If
End Sub

Sub Plan(state, which, text)
    Dim current
    current = ReadList(which)
    If Not state.Exists(which & "-before") Then
        state.Item(which & "-before") = current
    End If
    state.Item(which & "-was") = current
    state.Item(which & "-left") = text
    WScript.Echo which & " now:  " & current
    WScript.Echo which & " then: " & text
End Sub

Sub Undo(state)
    Dim before
    If state.Count = 0 Then
        Fail StateFile & " is not here: what was there before is not known"
    End If
    If state.Exists("connect-before") Then
        WriteList "connect", state.Item("connect-before")
    End If
    before = state.Item("relay-before")
    If before = "1||" Then
        WScript.Echo "relay: it was not set, or open to all; it stays as it is now: set it in the console"
    Else
        WriteList "relay", before
    End If
    If state.Item("auth-before") <> "" Then
        SetForAuth state.Item("auth-before")
    End If
    If Files.FileExists(StateFile & ".undone") Then
        Files.DeleteFile StateFile & ".undone"
    End If
    Files.MoveFile StateFile, StateFile & ".undone"
    WScript.Echo "undone"
End Sub

Sub Apply(state, really)
    If Not state.Exists("auth-before") Then
        state.Item("auth-before") = GetForAuth()
    End If
    Plan state, "relay", "0|" & Relays & "|"
    If Restrict Then
        Plan state, "connect", Mode & "|" & Connects & "|"
    ElseIf state.Exists("connect-before") Then
        Fail "the policy refuses nobody now: run this with /undo first, since that opens the server"
    End If
    If Not really Then
        WScript.Echo "this only showed what would be done: run it with /apply"
        Exit Sub
    End If
    SaveState state
    WriteList "relay", state.Item("relay-left")
    If ForAuth <> "" Then
        SetForAuth ForAuth
    End If
    If Restrict Then
        WriteList "connect", state.Item("connect-left")
    End If
    WScript.Echo "applied"
End Sub

Sub Main()
    Dim state
    Set state = LoadState()
    CheckKnown state, "connect"
    CheckKnown state, "relay"
    If WScript.Arguments.Named.Exists("undo") Then
        Undo state
    Else
        Apply state, WScript.Arguments.Named.Exists("apply")
    End If
End Sub
