BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
    $someone = 1234
    $stranger = 4321

    function Set-Owner([int] $User, [string[]] $Path) {
        & chown $User @Path
        $LASTEXITCODE | Should -Be 0
    }
}

AfterAll {
    Exit-CracTest
}

Describe "whom an image belongs to$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeEach {
        $parent = (New-Item -ItemType Directory "$folder/$([guid]::NewGuid())").FullName
        $image = "$parent/image"
        $id = Start-TestProgram 'sleep 1000'
        $null = Invoke-CracCheckpoint $id $image
    }

    AfterEach {
        $env:SUDO_UID = $null
        Stop-TestProgram
    }

    It 'refuses <What>, runs nothing, and foretells it' -ForEach @(
        @{ What = 'a folder of someone else''s'; Reason = 'ImageNotTrusted'; Change = { Set-Owner $stranger $image } }
        @{ What = 'a file of someone else''s'; Reason = 'ImageNotTrusted'; Change = { Set-Owner $stranger "$image/files.img" } }
        @{ What = 'a folder that its group may write to'; Reason = 'ImageNotTrusted'; Change = { & chmod g+w $image } }
        @{ What = 'a parent folder of someone else''s'; Reason = 'ImageNotTrusted'; Change = { Set-Owner $stranger $parent } }
        @{ What = 'a file that is a symbolic link'; Reason = 'ImageNotTrusted'; Change = { Move-Item "$image/files.img" "$parent/away"; $null = New-Item -ItemType SymbolicLink "$image/files.img" -Target "$parent/away" } }
        @{ What = 'a manifest that is a symbolic link'; Reason = 'ImageNotTrusted'; Change = { Move-Item "$image/pscrac.json" "$parent/away.json"; Set-Owner $stranger "$parent/away.json"; $null = New-Item -ItemType SymbolicLink "$image/pscrac.json" -Target "$parent/away.json" } }
        @{ What = 'a log that is a symbolic link'; Reason = 'ImageNotTrusted'; Change = { Move-Item "$image/dump.log" "$parent/away.log"; $null = New-Item -ItemType SymbolicLink "$image/dump.log" -Target "$parent/away.log" } }
        @{ What = 'a parent with a file of someone else''s'; Reason = 'ImageNotTrusted'; Change = { $null = New-Item -ItemType Directory "$parent/below"; Set-Content "$parent/below/pages-1.img" ''; Set-Owner $stranger "$parent/below/pages-1.img"; $null = New-Item -ItemType SymbolicLink "$image/parent" -Target '../below' } }
        @{ What = 'a manifest with another root'; Reason = 'ImageCorrupt'; Change = { Set-Content "$image/pscrac.json" ((Get-Content -Raw "$image/pscrac.json") -replace '"rootPid": \d+', '"rootPid": 1') } }
        @{ What = 'a manifest with more processes'; Reason = 'ImageCorrupt'; Change = { Set-Content "$image/pscrac.json" ((Get-Content -Raw "$image/pscrac.json") -replace '"processCount": \d+', '"processCount": 7') } }
        @{ What = 'a swapped file'; Reason = 'ImageCorrupt'; Change = { $bytes = [IO.File]::ReadAllBytes("$image/files.img"); $bytes[-1] = $bytes[-1] -bxor 1; [IO.File]::WriteAllBytes("$image/files.img", $bytes) } }
        @{ What = 'a damaged file'; Reason = 'ImageIncomplete'; Change = { & truncate -s -1 "$image/files.img" } }
        @{ What = 'an added file'; Reason = 'ImageCorrupt'; Change = { [IO.File]::WriteAllText("$image/tty-data.img", 'more') } }
    ) {
        & $Change
        $failure = { Restore-CracProcess $image -ErrorAction Stop } | Should -Throw -ErrorId "$Reason,*" -PassThru
        $failure.ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
        Test-Path "/proc/$id" | Should -BeFalse
        Test-CracImage $image -Full -Quiet | Should -BeFalse
    }

    It 'refuses an image behind a symbolic link of someone else''s, and takes one behind the caller''s own' {
        $link = New-Item -ItemType SymbolicLink "$parent/link" -Target $image
        & chown -h $stranger $link
        { Restore-CracProcess $link.FullName -ErrorAction Stop } | Should -Throw -ErrorId 'ImageNotTrusted,*'
        & chown -h 0 $link
        (Restore-CracProcess $link.FullName).Id | Should -Be $id
    }

    It 'restores the image of a user in /tmp with sudo, and only that user''s' {
        # Nobody but root and the caller could put anything in its place: /tmp is sticky.
        $own = "/tmp/pscrac-sudo-$([guid]::NewGuid())"
        Copy-Item -LiteralPath $image -Destination $own -Recurse
        try {
            & chmod -R 'u=rwX,go=' $own
            & chown -R $someone $own
            { Restore-CracProcess $own -ErrorAction Stop } | Should -Throw -ErrorId 'ImageNotTrusted,*'
            $env:SUDO_UID = $stranger
            { Restore-CracProcess $own -ErrorAction Stop } | Should -Throw -ErrorId 'ImageNotTrusted,*'
            $env:SUDO_UID = $someone
            (Restore-CracProcess $own).Id | Should -Be $id
        }
        finally {
            Remove-Item -LiteralPath $own -Recurse
        }
    }

    It 'restores what it does not trust with -SkipTrustCheck' {
        Set-Owner $stranger $image
        (Restore-CracProcess $image -SkipTrustCheck).Id | Should -Be $id
    }

    It 'warns where the manifest is gone, and only then' {
        (Restore-CracProcess $image -WarningVariable warned -WarningAction SilentlyContinue).Id | Should -Be $id
        $warned | Should -BeNullOrEmpty
        $null = Invoke-CracCheckpoint $id $image -Force
        Remove-Item "$image/pscrac.json"
        Test-CracImage $image | Where-Object Severity -EQ Warning | ForEach-Object What | Should -Contain 'no pscrac.json'
        (Restore-CracProcess $image -WarningVariable warned -WarningAction SilentlyContinue).Id | Should -Be $id
        $warned.Count | Should -Be 1
        $warned[0].Message | Should -Match 'no pscrac\.json'
    }

    It 'leaves to criu what stands in the way, with -SkipPreflight' {
        Stop-TestProgram
        $id = Start-TestProgram "sh -c 'exec 7>>$parent/data; exec sleep 1000'"
        $null = Invoke-CracCheckpoint $id "$parent/second" -LeaveRunning
        & chmod 600 "$parent/data"
        $log = { Restore-CracProcess "$parent/second" -PidNamespace New -ErrorAction Stop } | Should -Throw -ErrorId 'FileChanged,*' -PassThru
        $log.Exception.LogPath | Should -BeNullOrEmpty -Because 'criu was not started'
        $log = { Restore-CracProcess "$parent/second" -PidNamespace New -SkipPreflight -ErrorAction Stop } | Should -Throw -ErrorId 'FileChanged,*' -PassThru
        $log.Exception.LogPath | Should -Exist
    }
}
